package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// RefreshTokens are refresh tokens whose successors follow from them by a key that only the processes of an installation
// know: parallel refreshes of one token agree on the next, and a stolen token says nothing of the later ones.
type RefreshTokens struct{ key []byte }

// NewRefreshTokens derives successors by key, which must be the same in all processes.
func NewRefreshTokens(key []byte) RefreshTokens { return RefreshTokens{key} }

// NewRefresh returns a session's first refresh token and the hash to keep of it.
func (r RefreshTokens) NewRefresh() (token string, hash [32]byte) {
	text, h := NewRefresh()
	return text, h
}

// NextRefresh returns the hash of a token as a client sent it, the token that follows it, and that one's hash.
func (r RefreshTokens) NextRefresh(token string) (hash [32]byte, next string, nextHash [32]byte) {
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte(token))
	next = base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	return HashRefresh(token), next, HashRefresh(next)
}
