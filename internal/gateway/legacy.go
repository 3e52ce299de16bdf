package gateway

import (
	"bytes"

	"chat-service/internal/envelope"
)

// Workers of the release before leave Delivery.Ref empty, and which send their ack or error answers stands only in
// the client's bytes. This file and its test may go with the release after this one: by then no worker leaves Ref
// out.

var (
	ackStart   = []byte(`{"type":"ack","client_msg_id":"`)
	errorStart = []byte(`{"type":"error",`)
	refStart   = []byte(`"ref":"`)
)

// legacyRef returns the client_msg_id that stands in the delivery's ack, or as ref in its error; "" if there is none.
func legacyRef(d *envelope.Delivery) string {
	answer := d.Frame
	if d.Kind == envelope.InRoom {
		answer = d.Ack
	}
	rest, ok := bytes.CutPrefix(answer, ackStart)
	if !ok && bytes.HasPrefix(answer, errorStart) {
		// Inside a JSON string the quotes would be escaped, so this is the member.
		_, rest, ok = bytes.Cut(answer, refStart)
	}
	if !ok {
		return ""
	}
	ref, _, ok := bytes.Cut(rest, []byte{'"'})
	if !ok {
		return ""
	}
	return string(ref)
}
