package main

import (
	"chat-service/internal/store/messages"
	"chat-service/internal/store/rooms"
)

type (
	roomStore    = rooms.Store
	messageStore = messages.Store
)

// members answers who is in which room: where one user stands is a question about the room's log.
type members struct {
	*roomStore
	*messageStore
}
