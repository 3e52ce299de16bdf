package auth

import (
	"testing"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"
)

// TestFormsOfAPassword: one password typed on two systems, composed and decomposed, is one; hashes of releases that took what was
// typed still fit, and are to be renewed.
func TestFormsOfAPassword(t *testing.T) {
	h := hasher(t, cheap())
	composed, decomposed := "naïve Ångström", norm.NFD.String("naïve Ångström")
	if composed == decomposed {
		t.Fatal("the forms are the same")
	}
	old := func(password string) string {
		hash, err := argon2id.CreateHash(password, &h.params)
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	present, err := h.Hash(t.Context(), decomposed)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := h.Hash(t.Context(), "two\u3000words")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		password, hash string
		ok, stale      bool
	}{
		"composed":                  {composed, present, true, false},
		"decomposed":                {decomposed, present, true, false},
		"old, composed":             {decomposed, old(composed), true, false},
		"old, decomposed":           {decomposed, old(decomposed), true, true},
		"old, decomposed, composed": {composed, old(decomposed), true, true},
		"another":                   {"naive Angstrom", present, false, false},
		"width is kept":             {"Ａ", old("A"), false, false},
		"any space is one":          {"two words", wide, true, false},
		"control characters":        {"a\x01b\x7f", old("a\x01b\x7f"), true, false},
		"not UTF-8":                 {"a\xff\xfe", old("a\xff\xfe"), true, false},
		"unknown user":              {composed, "", false, false},
	} {
		ok, stale, err := h.Verify(t.Context(), tt.password, tt.hash)
		if ok != tt.ok || stale != tt.stale || err != nil {
			t.Errorf("%s: Verify = %v, %v, %v", name, ok, stale, err)
		}
	}
}
