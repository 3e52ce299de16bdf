package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// ChangeKind says what a change does to a message.
type ChangeKind string

// The kinds.
const (
	ChangeEdit     ChangeKind = "edit"
	ChangeRecall   ChangeKind = "recall"
	ChangeReaction ChangeKind = "reaction"
	ChangePin      ChangeKind = "pin"
	ChangeErase    ChangeKind = "erase" // of what an operator does; nobody asks for it yet
)

// Change asks for a change of one message.
type Change struct {
	Room      RoomID
	Seq       Seq    // of the message
	User      UserID // 0: the application
	Session   SessionID
	ID        string // the user's own id for the change, unique per room and user
	Kind      ChangeKind
	Content   *string // ChangeEdit; nil: unchanged
	Data      *string // ChangeEdit, canonical; nil: unchanged; "": removed
	IfVersion uint64  // ChangeEdit: only if the message has this version; 0: whichever it has
	Key       string  // ChangeReaction
	On        bool    // ChangeReaction, ChangePin: set, or taken away
	App       bool    // the application asks, with no User: it is in no room, and may recall what MayTakeBack says
}

// Changed is the outcome of one Change.
type Changed struct {
	Change    Change
	ChangeSeq ChangeSeq // what it took; of a NoOp the message's last, 0 if there is none
	Prev      ChangeSeq // the room's before it
	Version   uint64    // the message's after it
	AtSeq     Seq       // the room's last seq when it happened
	Message   Message   // after it; of a Repeat as the message is now
	NoOp      bool      // nothing changed, and no number was taken; of a Repeat set only if the message had never changed
	Repeat    bool      // it happened before: the numbers are those of the first time
	Err       *Error    // nil: it is committed
}

// CheckChangeID checks a user's own id for a change: the form of client_msg_id. The error names change_id.
func CheckChangeID(id string) error {
	if CheckClientMsgID(id) != nil {
		return BadField("change_id", "must be 1–36 characters of A–Z a–z 0–9 . _ : -")
	}
	return nil
}

// MaxReactionKey is how many bytes of UTF-8 the key of a reaction may have.
const MaxReactionKey = 32

// CheckReactionKey checks the key of a reaction: 1–32 bytes of UTF-8, no white space, no control characters, something to see. The error
// names key.
func CheckReactionKey(key string) error {
	switch {
	case key == "" || len(key) > MaxReactionKey:
		return BadField("key", "must have 1–%d bytes", MaxReactionKey)
	case !utf8.ValidString(key):
		return BadField("key", "must be valid UTF-8")
	case strings.ContainsFunc(key, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return BadField("key", "must not contain white space or control characters")
	case !strings.ContainsFunc(key, shows):
		return BadField("key", "must have something to see")
	}
	return nil
}
