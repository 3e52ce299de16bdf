package names

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Normal brings usernames, emails and what is searched for into the one form in which they are stored and compared:
// NFKC, lower case, without surrounding space. Lower-casing can leave NFKC, so that comes last again.
func Normal(s string) string {
	return strings.TrimSpace(norm.NFKC.String(strings.ToLower(norm.NFKC.String(s))))
}
