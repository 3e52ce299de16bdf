package auth

import (
	"crypto/x509"
	"encoding/base64"
	"testing"
)

// TestKeyring: the api signs by its private key, and a gateway that holds only the public one verifies, makes nothing, and takes
// nothing that a secret signed unless that is listed.
func TestKeyring(t *testing.T) {
	both, _ := pair(t, "2026")
	der, err := x509.MarshalPKCS8PrivateKey(both.Private)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.MarshalPKIXPublicKey(both.Public)
	if err != nil {
		t.Fatal(err)
	}
	secret := string(keyNew.Secret)
	keys := func(k KeyTexts) []Key {
		t.Helper()
		ks, err := k.Keys()
		if err != nil {
			t.Fatal(err)
		}
		return ks
	}
	public := []NamedKey{{"2026", base64.StdEncoding.EncodeToString(pub)}}
	api := keys(KeyTexts{ID: "2026", Secret: secret, Private: base64.StdEncoding.EncodeToString(der), Secrets: []NamedKey{{"new", secret}}})
	gateway := keys(KeyTexts{ID: "new", Secret: secret, Publics: public})
	rotating := keys(KeyTexts{ID: "1", Publics: public, Secrets: []NamedKey{{"new", secret}}})
	before := keys(KeyTexts{ID: "new", Secret: secret})
	for name, tt := range map[string]struct {
		by, at []Key
		want   bool
	}{
		"api to gateway":              {api, gateway, true},
		"api to api":                  {api, api, true},
		"before, to gateway":          {before, gateway, false},
		"before, to rotating gateway": {before, rotating, true},
		"before, to api":              {before, api, true},
		"api to one from before":      {api, before, false},
	} {
		_, err := verifier(t, noon, options(tt.at...)).Verify(issue(t, options(tt.by...)))
		if (err == nil) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewIssuer(options(gateway...)); err == nil {
		t.Error("the gateway can make tokens")
	}
	for _, k := range []KeyTexts{{ID: "x", Private: "nonsense"}, {ID: "x", Publics: []NamedKey{{"y", "nonsense"}}}} {
		if _, err := k.Keys(); err == nil {
			t.Errorf("%+v is taken", k)
		}
	}
}
