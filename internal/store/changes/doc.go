// Package changes keeps what may change about a message after it was sent: its content, that it was recalled, who reacted to it, that
// it is pinned.
//
// A change is committed as a message is (package messages): its room's row is locked, what was asked under its change_id before is
// answered first, membership and session are judged in the same transaction, and a batch takes two round trips. Under the lock each
// change takes the room's next change_seq; one that changes nothing takes none, but its change_id is remembered all the same, for ever.
//
// What a message is now stands in messages (its content) and message_state (the rest); readers take both by one statement. Of all
// messages of a room that changed since some change_seq there is one row each, however often they changed: so clients catch up.
// room_changes says what was asked, and never what was written. Earlier contents are in message_state.earlier, until a recall takes
// them.
package changes
