//go:build probe

package protocol

import "chat-service/internal/chat"

// The frames of a release that doesn't exist: the build tag "probe" adds them, and internal/test/e2e runs processes with them beside
// processes without.
const (
	// TProbe asks the worker that owns the room to answer with TProbed.
	TProbe Type = "probe"
	// TProbed is the answer, and what an announcement of the kind "probe" is relayed as.
	TProbed Type = "probed"
)

var (
	probeClientFrames = []clientFrame{{
		typ: TProbe, required: in(fieldRoom), optional: in(fieldRef), answers: []Type{TProbed}, doc: "answered by the room's worker",
	}}
	probeServerFrames = []FrameSpec{{Type: TProbed, Doc: "the answer to `probe`", Fields: []Field{roomID, ref}}}
)

// AppendProbed appends a `probed` frame; ref is left out if it is "".
func AppendProbed(dst []byte, room chat.RoomID, ref string) []byte {
	return appendJSON(dst, struct {
		Type Type        `json:"type"`
		Room chat.RoomID `json:"room_id"`
		Ref  string      `json:"ref,omitempty"`
	}{TProbed, room, ref})
}
