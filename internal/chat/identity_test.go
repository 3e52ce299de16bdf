package chat

import (
	"strings"
	"testing"
)

func TestIdentitiesThatNameSomebody(t *testing.T) {
	long := strings.Repeat("x", MaxSubject)
	for _, tt := range []struct {
		who  Identity
		want bool
	}{
		{Identity{Issuer: "i", Subject: "7"}, true},
		{Identity{Issuer: "i", Subject: long}, true},
		{Identity{Issuer: "i", Subject: long + "x"}, false},
		{Identity{Issuer: "i"}, false},
		{Identity{Subject: "7"}, false}, // only External makes one without an issuer
		{External("7"), true},
		{External(long), true},
		{External(long + "x"), false},
		{External(""), false},
		{External("a\x00b"), false},
		{External("a\nb"), false},
		{External("a\xffb"), false},
		{External("a\ufffdb"), false},
		{External("\u00e4 / %2e"), true},
	} {
		if got := tt.who.Valid(); got != tt.want {
			t.Errorf("%q of %q: valid %v", tt.who.Subject, tt.who.Issuer, got)
		}
	}
	if a, b := External("7"), (Identity{Issuer: "i", Subject: "7"}); a.IssuerKey() == b.IssuerKey() || a.Username() == b.Username() {
		t.Error("the application's own id and an issuer's subject are one")
	}
	for id, want := range map[string]bool{
		"": false, "x": true, strings.Repeat("x", MaxRoomExt): true, strings.Repeat("x", MaxRoomExt+1): false, "a\x00": false, "\xff": false,
	} {
		if got := ValidRoomExt(id); got != want {
			t.Errorf("room %q: valid %v", id, got)
		}
	}
}
