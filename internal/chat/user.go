package chat

import (
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// UserStatus says whether an account may be used.
type UserStatus string

// The statuses.
const (
	Active   UserStatus = "active"
	Disabled UserStatus = "disabled"
)

// User is an account. Email and PasswordHash never leave the process except to the owner (email).
type User struct {
	ID           UserID
	Username     string
	Nickname     string
	Email        string
	AvatarURL    string
	PasswordHash string
	Status       UserStatus
	LastSeen     time.Time // zero: never
	CreatedAt    time.Time
}

// UserPatch changes what is not nil.
type UserPatch struct {
	Nickname  *string
	AvatarURL *string
	Email     *string // trimmed and lower-cased; "" removes it
}

// CheckLine judges a short single-line text (names, descriptions): valid UTF-8, no control characters,
// between min and max characters.
func CheckLine(field, s string, minRunes, maxRunes int) error {
	n := utf8.RuneCountInString(s)
	switch {
	case !utf8.ValidString(s):
		return BadField(field, "must be valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return BadField(field, "must not contain control characters")
	case n < minRunes || (minRunes > 0 && strings.TrimSpace(s) == ""):
		return BadField(field, "must have at least %d characters", minRunes)
	case n > maxRunes:
		return BadField(field, "must have at most %d characters", maxRunes)
	}
	return nil
}

// CheckUsername judges a username that is already normalised (NFKC, lower case, trimmed): 2–64 letters, digits, . _ -.
func CheckUsername(s string) error {
	if n := utf8.RuneCountInString(s); n < 2 || n > 64 {
		return BadField("username", "must have 2–64 characters")
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r) {
			return BadField("username", "may hold letters, digits, '.', '_' and '-' only")
		}
	}
	return nil
}

// CheckEmail judges an address that is already trimmed and lower-cased; empty is legal (no address).
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
