package chat

import (
	"strings"
	"time"
	"unicode/utf8"
)

// MessageKind tells what a message's content is.
type MessageKind string

// The kinds. A system message's content is a JSON object: {"event":…, "by":…, "user_ids":[…], …}.
const (
	Text   MessageKind = "text"
	System MessageKind = "system"
)

// Message is one entry of a room's log.
type Message struct {
	Room        RoomID
	Seq         Seq
	Ord         uint64 // real messages up to and including this one
	Kind        MessageKind
	Sender      UserID
	ClientMsgID string
	Content     string
	CreatedAt   time.Time
}

// Send asks for one message to be appended.
type Send struct {
	Room        RoomID
	Sender      UserID
	Session     SessionID
	ClientMsgID string
	ClientSeq   uint64 // 0: the sender doesn't number his messages
	Content     string
	Refused     *Error // set: it is not to be appended, only its ClientSeq used up
}

// Sent is the verdict on one Send: the message as it stands in the log, or why there is none.
type Sent struct {
	Message   Message
	Duplicate bool
	Err       *Error // nil: Message stands committed
}

// Span is a stretch of a room's log, both ends in it.
type Span struct {
	Room     RoomID
	From, To Seq
}

// HistoryQuery asks for a stretch of a room's log as one user may see it: Before, After or Around one seq, or a page
// (1 is the newest) where none of them is set.
type HistoryQuery struct {
	Room     RoomID
	User     UserID
	Page     int // 0: 1
	PageSize int // 0: 20
	Before   *Seq
	After    *Seq
	Around   *Seq
	Limit    int // 0: 20; for Before, After and Around
	MinSeq   Seq // what the caller has seen already: no older copy of the room may answer
}

// HistoryPage is the answer to a HistoryQuery, ascending by seq.
type HistoryPage struct {
	Messages []Message
	LastSeq  Seq  // the newest seq that the user may see
	HasMore  bool // older messages exist (newer ones where After was asked)
	Epoch    uint64
	Replica  bool // a replica answered
}

// CheckClientMsgID judges a sender's own id for a message.
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

// CheckContent judges a message's text: valid UTF-8, not blank, no NUL, at most maxBytes (0: any size).
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
	if strings.TrimSpace(s) == "" {
		return BadField("content", "must not be empty or blank")
	}
	return nil
}
