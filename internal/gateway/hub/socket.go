package hub

import "chat-service/internal/chat"

// Socket is a WebSocket as the hub sees it. Its methods don't block.
type Socket interface {
	// User returns whose socket it is. That never changes.
	User() chat.UserID
	// Push queues a frame to be written; true means that the socket must be handed to the writers (Sweep.Ready).
	Push(f Frame) (ready bool)
	// Answered reports that an ack or an error for the send with this client_msg_id is about to be pushed; "" is no
	// send.
	Answered(ref string)
	// Lags reports whether much is queued already, so that ephemeral frames should be left out.
	Lags() bool
	// RequestRoom asks the workers for a room that the socket's user was added to, when the entry that said so was
	// lost.
	RequestRoom(room chat.RoomID)
	// ReviewWatch asks the workers whom of these the socket's user may still watch. The answer repeats the number.
	ReviewWatch(users []chat.UserID, number uint64)
	// State returns what the hub keeps with the socket.
	State() *State
}
