package auth

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"

	"chat-service/internal/chat"
)

// Lengths of passwords, in bytes. There are no rules about their characters: length helps more than odd characters do.
const (
	MinPasswordBytes        = 6
	MinPasswordBytesRelease = 8
	MaxPasswordBytes        = 1024
)

// commonPasswords are the 10,000 most frequent passwords of 8 characters or more in leaks, by the ranks of the list that comes with
// zxcvbn (common.LICENSE.txt), and some that people who like this kind of software choose.
//
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
	if len(password) > MaxPasswordBytes {
		return tooLong()
	}
	password = opaque(password)
	lower := strings.ToLower(password)
	core := strings.TrimFunc(lower, isPadding)
	switch {
	case len(password) < p.min:
		return chat.BadField("password", "must have at least %d bytes", p.min)
	case p.common == nil:
		return nil
	case p.common[lower] || strings.Count(password, password[:1]) == len(password):
		return chat.BadField("password", "is one of the most common ones: choose another")
	case username != "" && core != "" && core == strings.TrimFunc(strings.ToLower(username), isPadding):
		return chat.BadField("password", "must not be the username, with or without digits around it")
	case guessable(core):
		return chat.BadField("password", "is a word that is tried first, with digits: choose another")
	case walks(lower):
		return chat.BadField("password", "is a row of neighbouring keys: choose another")
	}
	return nil
}

// isPadding reports whether people put such a character around a word to make it a password.
func isPadding(r rune) bool { return !unicode.IsLetter(r) }

// triedFirst are words that make a bad password however many digits and signs stand around them: they are what a rule about
// regular changes brings forth ("Summer2026!"), or what is on the page where one chooses it.
var triedFirst = []string{
	"spring", "summer", "autumn", "fall", "winter",
	"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
	"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
	"chat", "chatservice", "chat-service", "chat_service", "chat service", "chatapp", "messenger",
	"password", "passwort", "passw0rd", "p@ssword", "p@ssw0rd", "welcome", "letmein", "changeme", "admin", "administrator", "root", "login",
}

// guessable reports whether a word in lower case is one of triedFirst, once or repeated.
func guessable(word string) bool {
	return slices.ContainsFunc(triedFirst, func(w string) bool { return word != "" && strings.ReplaceAll(word, w, "") == "" })
}

// rows of keys that fingers walk along.
var rows = []string{"`1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", "qwertzuiopü", "yxcvbnm", "azertyuiop", "abcdefghijklmnopqrstuvwxyz"}

// walks reports whether a text in lower case is nothing but stretches of at least three neighbouring keys, in either direction, and
// no more than four of them: "qwerasdf", "1qaz2wsx" and the like are on the list.
func walks(text string) bool {
	stretches := 0
	for text != "" {
		n := 0
		for _, row := range rows {
			n = max(n, prefixIn(text, row), prefixIn(text, reversed(row)))
		}
		if stretches++; n < 3 || stretches > 4 {
			return false
		}
		text = text[n:]
	}
	return true
}

// prefixIn is the length of the longest beginning of text that stands in row, in bytes.
func prefixIn(text, row string) (n int) {
	for i, r := range text {
		if !strings.Contains(row, text[:i+utf8.RuneLen(r)]) {
			break
		}
		n = i + utf8.RuneLen(r)
	}
	return n
}

func reversed(s string) string {
	rs := []rune(s)
	slices.Reverse(rs)
	return string(rs)
}

// opaque is the form in which a password is hashed, so that systems which compose characters and such which don't type the same one:
// RFC 8265's OpaqueString. What that profile refuses (control characters, say) is composed and otherwise left as it is: a password
// that was accepted once must go on working.
func opaque(password string) string {
	if !utf8.ValidString(password) {
		return password
	}
	if s, err := precis.OpaqueString.String(password); err == nil {
		return s
	}
	return norm.NFC.String(password)
}

// forms are the forms in which a password may have been hashed, the present one first: releases before 0.2 hashed what was typed.
func forms(password string) []string {
	fs := []string{opaque(password)}
	for _, f := range []string{password, norm.NFD.String(password)} {
		if !slices.Contains(fs, f) && len(f) <= MaxPasswordBytes {
			fs = append(fs, f)
		}
	}
	return fs
}

func tooLong() error {
	return chat.BadField("password", "must have at most %d bytes", MaxPasswordBytes)
}
