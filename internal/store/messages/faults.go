package messages

import (
	"strings"

	"chat-service/internal/chat"
	"chat-service/internal/faults"
	"chat-service/internal/store/db"
)

// Here is all that a test build (tag "faults") can break in this package. Without the tag, faults.Planted is a constant
// false and these functions say what the product does.

// lookup is how stored messages are looked up; planted no_dedup: not at all.
func lookup(q db.Query) db.Query {
	if faults.Planted("no_dedup") {
		return db.Query{}
	}
	return q
}

// roomLock ends the statement that reads the rooms; planted seq_select: it locks nothing.
func roomLock() string {
	if faults.Planted("seq_select") {
		return ""
	}
	return " FOR UPDATE"
}

// openPlaces is the condition for memberships that may send; planted skip_membership: ended ones may, too.
func openPlaces() string {
	if faults.Planted("skip_membership") {
		return ""
	}
	return "m.left_seq = 0 AND "
}

// folded is the key by which a message is found again; planted ci_key: case doesn't matter.
func (k messageKey) folded() messageKey {
	if faults.Planted("ci_key") {
		k.id = strings.ToLower(k.id)
	}
	return k
}

// lookUpKey adds the key of a send to a list of keys; planted ci_key: and its other spellings.
func lookUpKey(q *db.Query, s chat.Send) {
	q.Add("(?,?,?)", s.Room, s.Sender, []byte(s.ClientMsgID))
	if faults.Planted("ci_key") {
		for _, id := range []string{strings.ToLower(s.ClientMsgID), strings.ToUpper(s.ClientMsgID)} {
			q.Add(",(?,?,?)", s.Room, s.Sender, []byte(id))
		}
	}
}

// repeated is called for each duplicate; planted unread_incr: it counts as another message.
func (r *room) repeated() {
	if r != nil && faults.Planted("unread_incr") {
		r.MsgCount++
	}
}

// fence is how far a copy must be for a stretch; planted replica_unfenced: as far as it is.
func fence(room chat.Room, of chat.Span, asked chat.HistoryQuery) (chat.Seq, chat.ChangeSeq) {
	if faults.Planted("replica_unfenced") {
		return 0, 0
	}
	return max(of.To, asked.MinSeq), max(room.Changes, asked.MinChanges)
}
