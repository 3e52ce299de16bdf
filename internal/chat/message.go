package chat

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxID is the largest id or seq in the protocol: JSON readers keep integers exact below 2^53.
const MaxID = 1<<53 - 1

// UserID names a user. Zero is nobody: the sender of a system message.
type UserID uint64

// RoomID names a room. Zero is none.
type RoomID uint64

// Seq is a message's place in its room: 1, 2, 3 … without holes. Zero is "before the first".
type Seq uint64

// SessionID names a login session (a device); several sockets may share one.
type SessionID string

// SocketID numbers a WebSocket within one boot of one gateway.
type SocketID uint64

// GatewayID names one boot of one gateway: "<gateway>.<boot>". It is also the tail of its queue's name.
type GatewayID string

// MessageKind says what a message's content is.
type MessageKind string

// The kinds.
const (
	Text   MessageKind = "text"   // what a user wrote
	System MessageKind = "system" // what happened to the room: a SystemEvent as JSON
	Custom MessageKind = "custom" // data of a user, without a text
)

// Message is one entry of a room's log.
type Message struct {
	Room        RoomID
	Seq         Seq
	Ord         uint64 // how many messages of users the log holds up to and including this entry: unread counts are differences of it
	Kind        MessageKind
	Sender      UserID    // 0 of a system message
	ClientMsgID string    // the sender's own id, unique per room and sender; "" of a system message that the application didn't write
	Content     string    // as it is now: an edit replaces it, a recall empties it
	CreatedAt   time.Time // when the seq was taken, by the server's clock; to the millisecond. Order is by seq
	Data        string    // a JSON object in canonical form (CanonicalData); "": none
	ReplyTo     Seq       // the message that it answers; 0: none
	State       *State    // nil: it never changed
}

// Send asks for one message to be appended to a room.
type Send struct {
	Room        RoomID
	Sender      UserID
	Session     SessionID
	ClientMsgID string
	ClientSeq   uint64 // 1, 2, 3 … per room and session; 0: the sender doesn't number messages
	Content     string
	Data        string // a JSON object in canonical form (CanonicalData); "": none. With it Content may be ""
	ReplyTo     Seq    // the message that it answers, which the sender must see; 0: none
	Refused     *Error // set: it was refused already. Nothing is appended, only its ClientSeq is used up
}

// Sent is the outcome of one Send: the message as it is in the log, or why there is none.
type Sent struct {
	Message   Message
	Duplicate bool   // it was there already: a retry
	Err       *Error // nil: Message is committed
}

// CheckClientMsgID checks a sender's own id for a message: 1–36 of A–Z a–z 0–9 . _ : -. The error names client_msg_id.
func CheckClientMsgID(id string) error {
	ok := len(id) >= 1 && len(id) <= 36
	for i := 0; ok && i < len(id); i++ {
		c := id[i]
		ok = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '.' || c == '_' || c == ':' || c == '-'
	}
	if !ok {
		return BadField("client_msg_id", "must be 1–36 characters of A–Z a–z 0–9 . _ : -")
	}
	return nil
}

// CheckContent checks a message's text: valid UTF-8, something to see in it, no NUL, at most maxBytes (0: any size). Errors are TooLarge, or Invalid
// about content.
func CheckContent(s string, maxBytes int) error {
	if maxBytes > 0 && len(s) > maxBytes {
		return E(TooLarge, "content has %d bytes, the limit is %d", len(s), maxBytes)
	}
	if !utf8.ValidString(s) {
		return BadField("content", "must be valid UTF-8")
	}
	if strings.IndexByte(s, 0) >= 0 {
		return BadField("content", "must not contain NUL")
	}
	if !strings.ContainsFunc(s, shows) {
		return BadField("content", "must not be empty or blank")
	}
	return nil
}

// shows reports whether a character can be seen; a text without one shows nothing at all. Those that Unicode leaves to others, and
// those that are newer than this program, may well be seen.
func shows(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.In(r, unicode.Zs, unicode.Cc, unicode.Cf) && !unicode.Is(invisible, r)
}

// Partition returns the room's partition among n.
func (id RoomID) Partition(n int) int { return PartitionOf(uint64(id), n) }

// Partition returns the user's partition among n.
func (id UserID) Partition(n int) int { return PartitionOf(uint64(id), n) }

// PartitionOf maps a key (a room's or a user's id) to one of n partitions, 0 … n-1.
//
// The mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014). It is part of an installation's stored state
// (rows carry their partition), so it must never change.
func PartitionOf(key uint64, n int) int {
	z := key + 0x9e3779b97f4a7c15
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	z ^= z >> 31
	return int(z % uint64(n))
}

// String returns the decimal form.
func (id UserID) String() string { return strconv.FormatUint(uint64(id), 10) }

// String returns the decimal form.
func (id RoomID) String() string { return strconv.FormatUint(uint64(id), 10) }

// String returns the decimal form.
func (s Seq) String() string { return strconv.FormatUint(uint64(s), 10) }
