package names

import (
	"strings"
	"unicode"

	"golang.org/x/text/secure/precis"

	"chat-service/internal/chat"
)

// CheckUsername checks a new username that is in its normal form: chat's rule, RFC 8265's class for identifiers, letters of one
// script (UTS 39, highly restrictive), and no word that the API's paths need. Names that exist stay.
func CheckUsername(name string) error {
	if err := chat.CheckUsername(name); err != nil {
		return err
	}
	switch {
	case name == "me" || strings.Trim(name, "._-") == "":
		return chat.BadField("username", "is reserved")
	case !identifier(name):
		return chat.BadField("username", "must not contain invisible or unusual characters")
	case !oneScript(name):
		return chat.BadField("username", "must not mix scripts whose letters look alike")
	}
	return nil
}

// identifier reports whether PRECIS takes a name as it is.
func identifier(name string) bool {
	same, err := precis.UsernameCaseMapped.String(name)
	return err == nil && same == name
}

// together are scripts that people write together.
var together = [][]*unicode.RangeTable{
	{unicode.Latin, unicode.Han, unicode.Hiragana, unicode.Katakana},
	{unicode.Latin, unicode.Han, unicode.Hangul},
	{unicode.Latin, unicode.Han, unicode.Bopomofo},
}

// oneScript reports whether all letters of a name are of one script, or of scripts that are written together. Otherwise the Cyrillic
// аdmin would pass for admin.
func oneScript(name string) bool {
	for _, scripts := range together {
		if only(name, scripts...) {
			return true
		}
	}
	for _, script := range unicode.Scripts {
		if only(name, script) {
			return true
		}
	}
	return false
}

// only reports whether all letters are of the scripts, or of none in particular.
func only(name string, scripts ...*unicode.RangeTable) bool {
	for _, r := range name {
		if unicode.IsLetter(r) && !unicode.In(r, unicode.Common, unicode.Inherited) && !unicode.In(r, scripts...) {
			return false
		}
	}
	return true
}
