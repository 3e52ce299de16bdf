package chat

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// MaxRef is the length of an own id behind "ext:" in bytes, at most; MaxCodedRef that of one that "ext64:" stands before.
const (
	MaxRef      = 128
	MaxCodedRef = 96
)

// Ref names a user or a room as the application's backend does: by our number, or by the application's own id.
type Ref struct {
	ID  uint64 // 0: Own is set
	Own string
}

// ParseRef reads a Ref: a number, ext:<1–128 of A–Z a–z 0–9 . _ ~ @ : -> or ext64:<base64url, without padding, of 1–96 bytes of UTF-8 without
// control characters>. An own id that both can write is the same either way. Errors are Invalid about field; NotFound for a number
// that no id can be.
func ParseRef(field, text string) (Ref, error) {
	if own, ok := strings.CutPrefix(text, "ext:"); ok {
		if len(own) < 1 || len(own) > MaxRef || strings.ContainsFunc(own, func(r rune) bool { return !refLetter(r) }) {
			return Ref{}, BadField(field, "must have 1–%d of A–Z a–z 0–9 . _ ~ @ : - after ext: (others: ext64:)", MaxRef)
		}
		return Ref{Own: own}, nil
	}
	if coded, ok := strings.CutPrefix(text, "ext64:"); ok {
		own, err := base64.RawURLEncoding.Strict().DecodeString(coded)
		if err != nil || strings.ContainsAny(coded, "\r\n") || len(own) > MaxCodedRef || !External(string(own)).Valid() {
			return Ref{}, BadField(field, "must have base64url of 1–%d bytes of UTF-8 without control characters after ext64:", MaxCodedRef)
		}
		return Ref{Own: string(own)}, nil
	}
	if text == "" || strings.Trim(text, "0123456789") != "" || len(text) > 1 && text[0] == '0' {
		return Ref{}, BadField(field, "must be a number, ext:<id> or ext64:<base64url of an id>")
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 || n > MaxID {
		return Ref{}, E(NotFound, "")
	}
	return Ref{ID: n}, nil
}

func refLetter(r rune) bool {
	return 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r != 0 && strings.ContainsRune("._~@:-", r)
}
