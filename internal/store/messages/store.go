package messages

import (
	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/outbox"
)

// Store reads and writes the tables messages and sender_cursors, the heads in rooms and the read pointers in members.
type Store struct {
	d      *db.DB
	outbox *outbox.Store
}

// New opens the store over d.
func New(d *db.DB) *Store { return &Store{d, outbox.New(d)} }

// NoRoom is the answer to whoever asks for a room that isn't there, or that they may not see: the two must look the
// same.
func NoRoom() *chat.Error { return chat.E(chat.NotFound, "no such room") }
