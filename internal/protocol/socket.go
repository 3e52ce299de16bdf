package protocol

import (
	"time"

	"chat-service/internal/chat"
)

// WelcomeRoom is one of the rooms in `welcome`.
type WelcomeRoom struct {
	ID      chat.RoomID   `json:"id"`
	Type    chat.RoomType `json:"type"`
	LastSeq chat.Seq      `json:"last_seq"`
	Epoch   uint64        `json:"epoch"`
	ReadSeq chat.Seq      `json:"read_seq"`
	Unread  uint64        `json:"unread"`
}

// Welcome is the `welcome` frame's content.
type Welcome struct {
	Type           string         `json:"type"`
	SessionID      chat.SessionID `json:"session_id"`
	User           User           `json:"user"`
	ServerTime     string         `json:"server_time"`
	PingIntervalMS int64          `json:"ping_interval_ms"`
	Limits         Limits         `json:"limits"`
	Rooms          []WelcomeRoom  `json:"rooms"`
	More           bool           `json:"more,omitempty"`
}

// AppendWelcome appends a `welcome` frame; w.Type is set here.
func AppendWelcome(dst []byte, w Welcome) []byte {
	w.Type = "welcome"
	if w.Rooms == nil {
		w.Rooms = []WelcomeRoom{}
	}
	return appendJSON(dst, w)
}

// AppendGoaway appends a `goaway` frame.
func AppendGoaway(dst []byte, after time.Duration, reason string) []byte {
	return appendJSON(dst, struct {
		Type    string `json:"type"`
		AfterMS int64  `json:"after_ms"`
		Reason  string `json:"reason"`
	}{"goaway", after.Milliseconds(), reason})
}

// AppendPong appends a `pong` frame.
func AppendPong(dst []byte) []byte { return append(dst, `{"type":"pong"}`...) }
