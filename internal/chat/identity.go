package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxSubject is the length of an identity's subject in bytes, at most.
const MaxSubject = 255

// LiveTokens is how many refresh tokens work of a session that goes on: the answers of so many exchanges may be in use.
const LiveTokens = 10

// MaxRoomExt is the length of the application's own id of a room in bytes, at most.
const MaxRoomExt = 128

// Identity is a user as the application's own issuer of tokens names them, or as the application itself does (External).
type Identity struct {
	Issuer, Subject string
	own             bool // of External
}

// External names a user by the application's own id, with no token: what an operator imports, and what a backend's calls name. Its
// issuer is "", which no configured issuer can be; made by hand, such an Identity isn't valid.
func External(id string) Identity { return Identity{Subject: id, own: true} }

// Valid reports whether the subject can name somebody: 1 to MaxSubject bytes of UTF-8 without control characters. U+FFFD is none: readers
// of JSON put it in place of what they can't read, so that it could stand for two.
func (i Identity) Valid() bool { return (i.Issuer != "") != i.own && names(i.Subject, MaxSubject) }

// ValidRoomExt reports whether the application's own id of a room can name one: 1 to MaxRoomExt bytes by the rules of Valid.
func ValidRoomExt(id string) bool { return names(id, MaxRoomExt) }

func names(id string, maxBytes int) bool {
	return id != "" && len(id) <= maxBytes && utf8.ValidString(id) &&
		!strings.ContainsRune(id, utf8.RuneError) && !strings.ContainsFunc(id, unicode.IsControl)
}

// IssuerKey is the issuer's name in a bounded form.
func (i Identity) IssuerKey() [32]byte { return sha256.Sum256([]byte(i.Issuer)) }

// sum hashes the identity and more. Each part is hashed by itself first, so that no two lists of parts look alike.
func (i Identity) sum(more ...string) []byte {
	h := sha256.New()
	for _, part := range append([]string{i.Issuer, i.Subject}, more...) {
		p := sha256.Sum256([]byte(part))
		h.Write(p[:])
	}
	return h.Sum(nil)
}

// Username is that of an account which is made for the identity: "~" and 128 bits of a hash.
//
// Nobody can have it already. Who registers may use letters, digits, '.', '_' and '-' (CheckUsername), none of which is '~', or looks like
// it: no letter and no digit has a skeleton with '~' in it, so that no registered name has the same one either. Of two identities, the
// hash tells them apart; that it follows from the identity makes accounts that are made at the same moment one.
func (i Identity) Username() string { return "~" + hex.EncodeToString(i.sum()[:16]) }

// Origin names the identity on a device: who comes by it again goes on with the session that they have.
func (i Identity) Origin(device string) string { return string(i.sum(device)) }

// Vouched is what an issuer's token says: who its bearer is.
type Vouched struct {
	Identity
	Name    string // to be shown; as the token has it, perhaps no good nickname
	Picture string // address of a picture; the same
	Provide bool   // an account is made where there is none
}
