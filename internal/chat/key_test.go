package chat

import (
	"strings"
	"testing"
	"time"
)

// TestKeyText: a key has one spelling, and nothing else is read as one.
func TestKeyText(t *testing.T) {
	secret := KeySecret{0xfb, 0xff, 1, 31: 0xfe}
	const id = "0123456789abcdef"
	text := KeyText(id, secret)
	gotID, got, ok := ParseKey(text)
	if !ok || gotID != id || got != secret || !strings.HasPrefix(text, "sk_"+id+"_") || len(text) != 63 {
		t.Fatalf("%q is read as %q %v %v", text, gotID, got, ok)
	}
	for _, bad := range []string{
		"", "sk_", "sk__", "sk_" + id, "sk_" + id + "_", text[:62], text + "A", text[:62] + "\n", "\n" + text, text + "\n", "SK" + text[2:], strings.ToUpper(text),
		text[:62] + "=", text[:62] + "5", "sk_0123456789abcdeg" + text[19:], "sk_0123456789abcde" + text[19:], text[1:], "pk" + text[2:], "Bearer " + text,
		text[:40] + "+" + text[41:], text[:40] + "\x00" + text[41:],
	} {
		if _, _, ok := ParseKey(bad); ok {
			t.Errorf("%q is read as a key", bad)
		}
	}
}

// TestKeyRules: only its own secret fits, until it expires or is revoked.
func TestKeyRules(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	k := Key{Hash: KeySecret{1}.Hash(), Scopes: []Scope{ScopeRead}, ExpiresAt: now}
	if !k.Fits(KeySecret{1}) || k.Fits(KeySecret{2}) || k.Fits(KeySecret{}) || (Key{}).Fits(KeySecret{}) {
		t.Error("another secret fits, or its own doesn't")
	}
	if !k.May(ScopeRead) || k.May(ScopeUsers) || k.May("") {
		t.Error("its scopes are others")
	}
	if k.Usable(now.Add(-1)) != nil || KindOf(k.Usable(now)) != Unauthenticated {
		t.Error("it doesn't end when it expires")
	}
	k.ExpiresAt = time.Time{}
	if k.Usable(now) != nil {
		t.Error("it ends, and never expires")
	}
	if k.RevokedAt = now; KindOf(k.Usable(now)) != Unauthenticated {
		t.Error("it outlives that it was revoked")
	}
	for _, s := range ScopeSpecs() {
		if !s.Scope.Known() || s.Doc == "" {
			t.Errorf("scope %q", s.Scope)
		}
	}
	if Scope("all").Known() || Scope("").Known() {
		t.Error("unknown scopes are known")
	}
}
