package auth

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"chat-service/internal/chat"
)

// pair makes an Ed25519 key and its public part.
func pair(t *testing.T, id string) (both, public Key) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return Key{ID: id, Private: priv, Public: pub}, Key{ID: id, Public: pub}
}

// TestEdDSA: who holds only the public key verifies and can't sign; a token never chooses the algorithm of a key (J-1), and both
// kinds are good while keys are rotated (J-6).
func TestEdDSA(t *testing.T) {
	both, public := pair(t, "ed")
	other, _ := pair(t, "ed")
	token := issue(t, options(both, keyNew))
	for name, tt := range map[string]struct {
		token string
		keys  []Key
		want  bool
	}{
		"public key alone":         {token, []Key{public}, true},
		"beside a secret":          {token, []Key{keyNew, public}, true},
		"secret's, beside a pair":  {issue(t, options(keyNew)), []Key{public, keyNew}, true},
		"another pair":             {issue(t, options(other)), []Key{public}, false},
		"unknown key":              {token, []Key{keyNew}, false},
		"public key as a secret":   {sign(strings.Replace(goodHeader, `"new"`, `"ed"`, 1), body(), public.Public, sha256.New), []Key{public}, false},
		"secret's under its name":  {sign(strings.Replace(goodHeader, `"new"`, `"ed"`, 1), body(), keyNew.Secret, sha256.New), []Key{public, keyNew}, false},
		"EdDSA with a secret's id": {issue(t, options(Key{ID: "new", Private: both.Private, Public: both.Public})), []Key{keyNew, public}, false},
	} {
		got, err := verifier(t, noon, options(tt.keys...)).Verify(tt.token)
		if (err == nil) != tt.want || err != nil && chat.KindOf(err) != chat.Unauthenticated || err == nil && got.UserID != 42 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := NewIssuer(options(public, keyNew)); err == nil {
		t.Error("a public key signs")
	}
	for name, k := range map[string]Key{
		"no pair":        {ID: "x", Private: both.Private, Public: other.Public},
		"two algorithms": {ID: "x", Secret: []byte("s"), Public: both.Public},
		"short":          {ID: "x", Public: both.Public[:31]},
	} {
		if options(k).Validate() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestParseKeys(t *testing.T) {
	both, _ := pair(t, "ed")
	der, err := x509.MarshalPKCS8PrivateKey(both.Private)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.MarshalPKIXPublicKey(both.Public)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, b []byte) []string {
		return []string{string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})), base64.StdEncoding.EncodeToString(b) + "\n"}
	}
	for _, s := range text("PRIVATE KEY", der) {
		if k, err := ParsePrivateKey(s); err != nil || !k.Equal(both.Private) {
			t.Errorf("private: %v", err)
		}
		if _, err := ParsePublicKey(s); err == nil || strings.Contains(err.Error(), s[30:40]) {
			t.Errorf("a private key as a public one: %v", err)
		}
	}
	for _, s := range text("PUBLIC KEY", pub) {
		if k, err := ParsePublicKey(s); err != nil || !k.Equal(both.Public) {
			t.Errorf("public: %v", err)
		}
	}
	for _, s := range []string{"", "x", "c2VjcmV0", "!"} {
		if _, err := ParsePrivateKey(s); err == nil {
			t.Errorf("%q is a private key", s)
		}
	}
}
