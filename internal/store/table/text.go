package table

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// SearchKey is the form in which names are compared, as name_key and nickname_key hold it: NFKC, lower case, trimmed,
// at most 128 characters.
func SearchKey(s string) string {
	return Clip(strings.ToLower(strings.TrimSpace(norm.NFKC.String(s))), 128)
}

// Clip cuts s to n characters: NFKC can make one character many, and a key needs no tail.
func Clip(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
