package protocol

import (
	"time"

	"chat-service/internal/chat"
)

// ErrorRef says what an `error` frame answers.
type ErrorRef struct {
	Ref       string      // client_msg_id, the client's own ref, or the frame's type
	Room      chat.RoomID // 0: unknown, or none
	ClientSeq uint64      // 0: the sender didn't number the message
}

// AppendError appends an `error` frame. Gateways of the release before find the message that it answers by the member "ref".
func AppendError(dst []byte, e *chat.Error, ref ErrorRef) []byte {
	return appendJSON(dst, struct {
		Type         Type              `json:"type"`
		Code         string            `json:"code"`
		Message      string            `json:"message"`
		Ref          string            `json:"ref"`
		Retry        bool              `json:"retry"`
		RetryAfterMS int64             `json:"retry_after_ms"`
		Room         chat.RoomID       `json:"room_id,omitempty"`
		ClientSeq    uint64            `json:"client_seq,omitempty"`
		Expected     uint64            `json:"expected,omitempty"`
		Errors       []chat.FieldError `json:"errors,omitempty"`
	}{
		Type: TError, Code: e.Kind.String(), Message: PublicText(e), Ref: ref.Ref, Retry: e.Kind.Retry(),
		RetryAfterMS: (RetryAfter(e) + time.Millisecond - 1).Milliseconds(), Room: ref.Room, ClientSeq: ref.ClientSeq, Expected: e.Expected, Errors: e.Fields,
	})
}
