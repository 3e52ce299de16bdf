package chat

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// Scope is what a key of the application's backend may do, from the closed set of Scopes.
type Scope string

// The scopes.
const (
	ScopeUsers      Scope = "users"
	ScopeTokens     Scope = "tokens"
	ScopeRooms      Scope = "rooms"
	ScopeMessages   Scope = "messages"
	ScopeModeration Scope = "moderation"
	ScopeWebhooks   Scope = "webhooks"
	ScopeRead       Scope = "read"
)

// ScopeSpec is a row of the table of scopes.
type ScopeSpec struct {
	Scope Scope
	Doc   string
}

var scopes = []ScopeSpec{
	{ScopeUsers, "make and change users"},
	{ScopeTokens, "log users in, and end their sessions"},
	{ScopeRooms, "make and change rooms, and who is in them"},
	{ScopeMessages, "send messages as any member"},
	{ScopeModeration, "disable and enable users, recall messages, read the audit trail"},
	{ScopeWebhooks, "make and change the endpoints that are told of events"},
	{ScopeRead, "read users, rooms and messages"},
}

// ScopeSpecs returns the registry of scopes.
func ScopeSpecs() []ScopeSpec { return slices.Clone(scopes) }

// Known reports whether there is such a scope.
func (s Scope) Known() bool {
	return slices.ContainsFunc(scopes, func(x ScopeSpec) bool { return x.Scope == s })
}

// Key is what is kept of a key of the application's backend: all but its secret.
type Key struct {
	ID         string
	Hash       [32]byte // SHA-256 of the secret
	Name       string   // for people
	Scopes     []Scope
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time // to the minute; zero: never
	RevokedAt  time.Time // zero: it wasn't
}

// May reports whether the key has a scope.
func (k Key) May(s Scope) bool { return slices.Contains(k.Scopes, s) }

// Usable returns Unauthenticated if the key was revoked or has expired.
func (k Key) Usable(now time.Time) error {
	switch {
	case !k.RevokedAt.IsZero():
		return E(Unauthenticated, "the key was revoked")
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return E(Unauthenticated, "the key has expired")
	}
	return nil
}

// Fits reports whether the secret is the key's, in a time that says nothing of how much of it is right.
func (k Key) Fits(secret KeySecret) bool {
	hash := secret.Hash()
	return subtle.ConstantTimeCompare(hash[:], k.Hash[:]) == 1
}

// KeyUsedEvery is how exactly the last use of a key is remembered.
const KeyUsedEvery = time.Minute

// A key is written sk_<id>_<secret>.
const (
	keyPrefix = "sk_"
	keyID     = 16 // letters of an id: 0–9 a–f
)

// KeySecret are the random bytes of a key.
type KeySecret [32]byte

// Hash is what is kept of the secret. 256 random bits need no slow hash.
func (s KeySecret) Hash() [32]byte { return sha256.Sum256(s[:]) }

// KeyText writes a key as its owner keeps it.
func KeyText(id string, secret KeySecret) string {
	return keyPrefix + id + "_" + base64.RawURLEncoding.EncodeToString(secret[:])
}

// ParseKey reads what KeyText wrote; ok is false for anything else.
func ParseKey(text string) (id string, secret KeySecret, ok bool) {
	rest, found := strings.CutPrefix(text, keyPrefix)
	id, encoded, split := strings.Cut(rest, "_")
	if !found || !split || len(id) != keyID || strings.Trim(id, "0123456789abcdef") != "" || len(encoded) != base64.RawURLEncoding.EncodedLen(len(secret)) {
		return "", secret, false
	}
	raw, err := base64.RawURLEncoding.Strict().AppendDecode(nil, []byte(encoded))
	if err != nil || len(raw) != len(secret) { // line breaks are skipped by the decoder
		return "", secret, false
	}
	copy(secret[:], raw)
	return id, secret, true
}
