package skeleton

import (
	"crypto/sha256"
	_ "embed"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// MaxLen is the length of a skeleton in bytes, at most.
const MaxLen = 255

// A skeleton is UTF-8, so that what begins with one of these bytes is none.
const (
	long   = "\xfe" // before the hash of a skeleton that is too long
	shared = "\xff" // before the id of an account whose skeleton another one holds
)

// confusables is made by `go test ./internal/store/skeleton -update confusables.txt`, from the file of that name that Unicode publishes.
//
//go:embed confusables.txt
var confusables string

// Of returns a name's skeleton. It is for comparing only: it isn't a name.
func Of(name string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(name) {
		b.WriteString(prototype(r))
	}
	s := norm.NFD.String(b.String())
	if len(s) > MaxLen {
		sum := sha256.Sum256([]byte(s))
		return long + string(sum[:])
	}
	return s
}

// prototype returns what stands for all that looks like a character: mostly the character itself. It searches the lines, which are
// sorted, where they are: an account is made seldom.
func prototype(r rune) string {
	from, to := 0, len(confusables)
	for from < to {
		line := strings.LastIndexByte(confusables[:(from+to)/2], '\n') + 1
		end := line + strings.IndexByte(confusables[line:], '\n')
		code, looks, _ := strings.Cut(confusables[line:end], " ")
		switch at := char(code); {
		case at < r:
			from = end + 1
		case at > r:
			to = line
		default:
			var s strings.Builder
			for _, c := range strings.Fields(looks) {
				s.WriteRune(char(c))
			}
			return s.String()
		}
	}
	return string(r)
}

// char is the character with a code point in hexadecimal; what begins with something else, as a comment does, is before all of them.
func char(code string) rune {
	n, err := strconv.ParseUint(code, 16, 32)
	if err != nil {
		return -1
	}
	return rune(n)
}

// Shared stands for the skeleton of an account that is older than the rule and looks like another one. No name has it.
func Shared(id uint64) string { return shared + strconv.FormatUint(id, 10) }
