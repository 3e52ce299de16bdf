package chat

import (
	"encoding/base64"
	"strings"
	"testing"
)

func coded(s string) string { return "ext64:" + base64.RawURLEncoding.EncodeToString([]byte(s)) }

// TestParseRef: numbers and own ids have one spelling each, and whatever else comes in a path is refused.
func TestParseRef(t *testing.T) {
	for text, want := range map[string]Ref{
		"7":                               {ID: 7},
		"9007199254740991":                {ID: MaxID},
		"ext:7":                           {Own: "7"},
		"ext:a":                           {Own: "a"},
		"ext:..":                          {Own: ".."},
		"ext:ann@example.com":             {Own: "ann@example.com"},
		"ext:urn:user:Ann_1~-.":           {Own: "urn:user:Ann_1~-."},
		"ext:ext:a":                       {Own: "ext:a"},
		"ext:" + strings.Repeat("x", 128): {Own: strings.Repeat("x", 128)},
		coded("a"):                        {Own: "a"},
		coded("a/b %2e ü"):                {Own: "a/b %2e ü"},
		coded(strings.Repeat("x", 96)):    {Own: strings.Repeat("x", 96)},
	} {
		if got, err := ParseRef("user", text); err != nil || got != want {
			t.Errorf("%q is %+v (%v), want %+v", text, got, err, want)
		}
	}
	for _, bad := range []string{
		"", "..", ".", "me", "x", "-1", "+1", "01", "1.0", " 1", "1 ", "1/2", "٣", "ext", "ext:", "ext64", "ext64:", "EXT:a", "Ext64:YQ",
		"ext:" + strings.Repeat("x", 129), "ext:a/b", "ext:a%2fb", "ext:%2e%2e%2f", "%2e%2e%2f", "ext:a b", "ext:a\x00", "ext:a\n", "ext:ü", "ext:a?", "ext:a#", "ext:a\\b", "ext:\xff",
		"ext64:YQ==", "ext64:YR", "ext64:Y", "ext64:+w", "ext64:/w", "ext64:YQ\n", "ext64:YQ%3D", coded("\x00"), coded("a\x00b"), coded("a\nb"), coded("\xff"), coded("\ufffd"),
		coded(strings.Repeat("x", 97)),
	} {
		_, err := ParseRef("user", bad)
		if e := As(err); err == nil || e.Kind != Invalid || len(e.Fields) != 1 || e.Fields[0].Field != "user" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, none := range []string{"0", "9007199254740992", "18446744073709551616", strings.Repeat("9", 100)} {
		if _, err := ParseRef("user", none); KindOf(err) != NotFound {
			t.Errorf("%q: %v", none, err)
		}
	}
}
