package main

import (
	"chat-service/internal/store/accounts"
	"chat-service/internal/store/rooms"
)

type (
	accountStore = accounts.Store
	roomStore    = rooms.Store
)

// people finds other users: who shares a room with one is a question about rooms.
type people struct {
	*accountStore
	*roomStore
}
