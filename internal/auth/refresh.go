package auth

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"chat-service/internal/chat"
)

// RefreshHash is what is stored of a refresh token: its SHA-256. A token of 256 random bits needs no slow hash.
type RefreshHash [sha256.Size]byte

// NewRefresh returns a refresh token, 256 random bits as 43 letters of base64url, and its hash.
func NewRefresh() (token string, hash RefreshHash) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: the program crashes where the system has no randomness
	token = base64.RawURLEncoding.EncodeToString(raw[:])
	return token, HashRefresh(token)
}

// HashRefresh returns the hash by which a client's refresh token is looked up, whatever the client sent.
func HashRefresh(token string) RefreshHash { return sha256.Sum256([]byte(token)) }

// Tokens issues and verifies access tokens by the system's clock, in the form that the API needs, and caches verified ones.
type Tokens struct {
	issuer   *Issuer
	verifier *Verifier
	known    *memory
}

// NewTokens makes both halves from the same options.
func NewTokens(o TokenOptions) (*Tokens, error) {
	issuer, err := NewIssuer(o)
	if err != nil {
		return nil, err
	}
	verifier, err := NewVerifier(o, nil)
	if err != nil {
		return nil, err
	}
	return &Tokens{issuer, verifier, newMemory(rememberedTokens)}, nil
}

// Issue returns a token for a user's session, and its lifetime.
func (t *Tokens) Issue(user chat.UserID, session chat.SessionID) (token string, lifetime time.Duration, err error) {
	return t.issuer.Issue(user, session, time.Now())
}

// IssueFor is Issue of a token with a lifetime of its own; 0: the usual one.
func (t *Tokens) IssueFor(user chat.UserID, session chat.SessionID, lifetime time.Duration) (token string, lives time.Duration, err error) {
	i := *t.issuer
	i.o.Lifetime = cmp.Or(lifetime, i.o.Lifetime)
	return i.Issue(user, session, time.Now())
}

// Verify returns whose token it is, else chat.TokenExpired or chat.Unauthenticated.
func (t *Tokens) Verify(token string) (chat.UserID, chat.SessionID, error) {
	c, err := t.known.verify(t.verifier, token, time.Now())
	return c.UserID, c.SessionID, err
}
