package auth

import (
	"crypto/rand"
	"encoding/hex"

	"chat-service/internal/chat"
)

// NewKey makes a key for the application's backend: its text, which nobody can read again, and what is kept of it.
func NewKey() (text string, k chat.Key) {
	var id [8]byte
	var secret chat.KeySecret
	_, _ = rand.Read(id[:]) // never fails
	_, _ = rand.Read(secret[:])
	k = chat.Key{ID: hex.EncodeToString(id[:]), Hash: secret.Hash()}
	return chat.KeyText(k.ID, secret), k
}
