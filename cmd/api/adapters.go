package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"chat-service/internal/auth"
)

// tokens are auth's access tokens, and refresh tokens whose successors follow from them by a key that only the
// processes of an installation know: parallel refreshes agree, and a stolen token tells nothing of the later ones.
type tokens struct {
	*auth.Tokens
	key []byte
}

// NewRefresh returns a refresh token and its hash.
func (t tokens) NewRefresh() (token string, hash [32]byte) {
	text, h := auth.NewRefresh()
	return text, h
}

// NextRefresh returns a refresh token's hash, its successor and that one's hash.
func (t tokens) NextRefresh(token string) (hash [32]byte, next string, nextHash [32]byte) {
	mac := hmac.New(sha256.New, t.key)
	mac.Write([]byte(token))
	next = base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	return auth.HashRefresh(token), next, auth.HashRefresh(next)
}
