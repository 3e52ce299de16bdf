package auth

import (
	_ "embed"
	"strings"

	"chat-service/internal/chat"
)

// Lengths of passwords, in bytes. There are no rules about their characters: length helps more than odd characters do.
const (
	MinPasswordBytes        = 6
	MinPasswordBytesRelease = 8
	MaxPasswordBytes        = 1024
)

//go:embed common.txt
var commonPasswords string

// Policy says which new passwords are acceptable.
type Policy struct {
	min    int             // bytes
	common map[string]bool // in lower case; nil: not checked
}

// NewPolicy makes the policy for debug or release mode.
func NewPolicy(release bool) *Policy {
	if !release {
		return &Policy{min: MinPasswordBytes}
	}
	p := &Policy{min: MinPasswordBytesRelease, common: map[string]bool{}}
	for line := range strings.Lines(commonPasswords) {
		p.common[strings.TrimSpace(line)] = true
	}
	return p
}

// Check returns nil for an acceptable password, else chat.Invalid about the field password.
func (p *Policy) Check(password, username string) error {
	lower := strings.ToLower(password)
	switch {
	case len(password) < p.min:
		return chat.BadField("password", "must have at least %d bytes", p.min)
	case len(password) > MaxPasswordBytes:
		return tooLong()
	case p.common == nil:
		return nil
	case p.common[lower] || strings.Count(password, password[:1]) == len(password):
		return chat.BadField("password", "is one of the most common ones: choose another")
	case username != "" && lower == strings.ToLower(username):
		return chat.BadField("password", "must not be the username")
	}
	return nil
}

func tooLong() error {
	return chat.BadField("password", "must have at most %d bytes", MaxPasswordBytes)
}
