package chat

import (
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// UserStatus says whether an account may be used: a disabled one can't log in, and its sockets are closed.
type UserStatus string

// The statuses.
const (
	Active   UserStatus = "active"
	Disabled UserStatus = "disabled"
)

// User is an account. Nobody but the user sees Email; nobody at all PasswordHash.
type User struct {
	ID           UserID
	Username     string // normalised, unique
	Nickname     string
	Email        string // "": none
	AvatarURL    string // "": none
	PasswordHash string // argon2id, in its text form
	Status       UserStatus
	LastSeen     time.Time // when the last socket closed; zero: never
	CreatedAt    time.Time
}

// UserSearch asks for active users whose name begins with something, by ascending id.
type UserSearch struct {
	Prefix string // in the form in which names are stored
	Beside UserID // only those who share a room with this user; 0: all
	After  UserID
	Limit  int
}

// Directory says whom a user may look up.
type Directory string

// The directories. One can always look up oneself and, by id, those with whom one shares a room.
const (
	DirectoryAll    Directory = "all"
	DirectoryShared Directory = "shared" // those with whom one shares a room
	DirectoryOff    Directory = "off"    // nobody can be searched for
)

// UserPatch changes an account: what is nil stays.
type UserPatch struct {
	Nickname  *string
	AvatarURL *string
	Email     *string // trimmed and lower-cased; "" removes it
}

// CheckLine checks a short single-line text (names, descriptions): valid UTF-8, no control characters, minRunes to maxRunes characters,
// none that misleads, and something to see unless it is empty. The error is about field.
func CheckLine(field, s string, minRunes, maxRunes int) error {
	n := utf8.RuneCountInString(s)
	switch {
	case !utf8.ValidString(s):
		return BadField(field, "must be valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return BadField(field, "must not contain control characters")
	case strings.ContainsFunc(s, misleads):
		return BadField(field, "must not contain invisible characters, or such that turn the direction of text")
	case n < minRunes || minRunes > 0 && !strings.ContainsFunc(s, shows):
		return BadField(field, "must have at least %d characters", minRunes)
	case strings.TrimSpace(s) != "" && !strings.ContainsFunc(s, shows):
		return BadField(field, "must have something to see, or be empty")
	case n > maxRunes:
		return BadField(field, "must have at most %d characters", maxRunes)
	}
	return nil
}

// CheckUsername checks a username that is already normalised (NFKC, lower case, trimmed): 2–64 letters, digits, . _ -.
func CheckUsername(s string) error {
	if n := utf8.RuneCountInString(s); n < 2 || n > 64 {
		return BadField("username", "must have 2–64 characters")
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r) {
			return BadField("username", "may contain letters, digits, '.', '_' and '-' only")
		}
	}
	return nil
}

// CheckEmail checks an address that is already trimmed and lower-cased; empty is legal (no address).
func CheckEmail(s string) error {
	if s == "" {
		return nil
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 190 {
		return BadField("email", "must be an address like name@example.com of at most 190 bytes")
	}
	return nil
}
