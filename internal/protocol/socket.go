package protocol

import (
	"time"

	"chat-service/internal/chat"
)

// WelcomeRoom is one of the rooms in `welcome`.
type WelcomeRoom struct {
	ID        chat.RoomID    `json:"id"`
	Type      chat.RoomType  `json:"type"`
	LastSeq   chat.Seq       `json:"last_seq"`
	Epoch     uint64         `json:"epoch"`
	ChangeSeq chat.ChangeSeq `json:"change_seq"`
	ReadSeq   chat.Seq       `json:"read_seq"`
	Unread    uint64         `json:"unread"` // as of ChangeSeq: of recalls only later ones are still to be subtracted
}

// Welcome is the `welcome` frame: the first that a logged-in socket gets.
type Welcome struct {
	Type           Type           `json:"type"` // set by AppendWelcome
	SessionID      chat.SessionID `json:"session_id"`
	User           User           `json:"user"`
	ServerTime     string         `json:"server_time"`
	PingIntervalMS int64          `json:"ping_interval_ms"`
	Limits         Limits         `json:"limits"`
	Rooms          []WelcomeRoom  `json:"rooms"`
	More           bool           `json:"more,omitempty"`
	Features       []string       `json:"features,omitempty"` // what this way through the system can do beyond the first edition
}

// AppendWelcome appends a `welcome` frame.
func AppendWelcome(dst []byte, w Welcome) []byte {
	w.Type = TWelcome
	return appendJSON(dst, w)
}

// AppendGoaway appends a `goaway` frame.
func AppendGoaway(dst []byte, after time.Duration, reason string) []byte {
	return appendJSON(dst, struct {
		Type    Type   `json:"type"`
		AfterMS int64  `json:"after_ms"`
		Reason  string `json:"reason"`
	}{TGoaway, after.Milliseconds(), reason})
}

// AppendPong appends a `pong` frame.
func AppendPong(dst []byte) []byte { return append(dst, `{"type":"`+string(TPong)+`"}`...) }
