package protocol

import (
	"time"

	"chat-service/internal/chat"
)

// ErrorRef says what an `error` frame answers.
type ErrorRef struct {
	Ref       string // client_msg_id, the client's own ref, or the frame's type
	Room      chat.RoomID
	ClientSeq uint64
}

// AppendError appends an `error` frame.
func AppendError(dst []byte, e *chat.Error, ref ErrorRef) []byte {
	msg := e.Msg
	if msg == "" {
		msg = defaultMessage(e.Kind)
	}
	return appendJSON(dst, struct {
		Type         string            `json:"type"`
		Code         string            `json:"code"`
		Message      string            `json:"message"`
		Ref          string            `json:"ref"`
		Retry        bool              `json:"retry"`
		RetryAfterMS int64             `json:"retry_after_ms"`
		Room         chat.RoomID       `json:"room_id,omitempty"`
		ClientSeq    uint64            `json:"client_seq,omitempty"`
		Expected     uint64            `json:"expected,omitempty"`
		Errors       []chat.FieldError `json:"errors,omitempty"`
	}{"error", e.Kind.String(), msg, ref.Ref, e.Kind.Retry(), RetryAfter(e).Milliseconds(), ref.Room, ref.ClientSeq, e.Expected, e.Fields})
}

func defaultMessage(k chat.Kind) string {
	switch k {
	case chat.Unavailable:
		return "something that this needs is away for the moment; try again"
	case chat.Internal:
		return "something went wrong on the server; try again"
	default:
		return k.String()
	}
}

// RetryAfter is how long a client should wait before it repeats a request that failed with e: 0 where it shouldn't.
func RetryAfter(e *chat.Error) time.Duration {
	if !e.Kind.Retry() {
		return 0
	}
	if e.RetryAfter > 0 {
		return e.RetryAfter
	}
	switch e.Kind {
	case chat.OutOfOrder:
		return 0
	case chat.RateLimited:
		return time.Second
	default:
		return 500 * time.Millisecond
	}
}
