package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chat-service/configs"
	"chat-service/internal/config"
)

// loadIssuers reads a list of issuers, and their keys.
func loadIssuers(list string, env ...string) (Config, foreigns, error) {
	c := defaults()
	err := config.Load(file, &c, config.Environ(append(env, "CHAT_AUTH_ISSUERS="+list)), config.Shared(configs.Files))
	if err != nil {
		return c, foreigns{}, err
	}
	f, err := c.Auth.foreigns()
	return c, f, err
}

// TestIssuers: what is wrong with an issuer is said at the start, with its entry and key; nothing of a key is in an error.
func TestIssuers(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := write("secret", "0123456789abcdef0123456789abcdef\r\n")
	short := write("short", "a short secret\n")
	good := "issuer: i, audience: a, secret_file: " + secret
	for list, says := range map[string]string{
		"[{" + good + "}]": "",
		"[{" + good + ", leeway: 2m, subject_claim: uid}]":                  "",
		"[{issuer: i, audience: a, jwks_url: 'https://x.example/k'}]":       "",
		"[{issuer: i, audience: a, jwks_url: 'http://127.0.0.1:1/k'}]":      "",
		"[{issuer: i, audience: a, jwks_url: 'http://x.example/k'}]":        "entry 1: jwks_url: must be https://",
		"[{issuer: i, audience: a, jwks_url: 'https://u:p@x.example/k'}]":   "entry 1: jwks_url: is no address",
		"[{issuer: i, audience: a, jwks_url: 'file:///etc/passwd'}]":        "entry 1: jwks_url: is no address",
		"[{" + good + "}, {issuer: j, secret_file: " + secret + "}]":        "entry 2: audience: is empty",
		"[{audience: a, secret_file: " + secret + "}]":                      "entry 1: issuer: is empty",
		"[{issuer: i, audience: a}]":                                        "entry 1: 0 sources of keys",
		"[{" + good + ", jwks_file: x}]":                                    "entry 1: 2 sources of keys",
		"[{" + good + ", leeway: 3m}]":                                      "entry 1: leeway: is 3m0s: set 0s to 2m0s",
		"[{" + good + ", leeway: -1s}]":                                     "entry 1: leeway: is -1s",
		"[{" + good + ", subject_claim: ''}]":                               "entry 1: subject_claim: is empty",
		"[{" + good + "}, {" + good + "}]":                                  "entry 2: i is there twice",
		"[{" + good + ", subjects: external}]":                              "",
		"[{" + good + ", subjects: mine}]":                                  "entry 1: subjects: is \"mine\"",
		"[{" + good + ", secret: x}]":                                       "secret: is unknown",
		"[{" + good + ", auto_provision: perhaps}]":                         "auto_provision",
		"[{issuer: i, audience: a, secret_file: " + dir + "/none}]":         "entry 1: secret_file: open",
		"[{issuer: i, audience: a, secret_file: " + short + "}]":            "has 14 bytes: HS256 needs 32",
		"[{issuer: i, audience: a, public_key_file: " + secret + "}]":       "is not one PUBLIC KEY in PEM",
		"[{issuer: i, audience: a, jwks_file: " + secret + "}]":             "is no JSON Web Key Set",
		"[{issuer: i, audience: a, jwks_file: " + write("e", "{}") + "}]":   "has no key that can be used",
		"[{issuer: i, audience: a, algorithm: none, jwks_file: x}]":         "algorithm: is unknown",
		"[{issuer: i, audience: a, secret_file: " + secret + "}, nonsense]": "entry 2: must hold keys and values",
	} {
		_, f, err := loadIssuers(list)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", list, err, says)
		}
		if err != nil && strings.Contains(err.Error(), "a short secret") {
			t.Errorf("%s: the error holds the secret", list)
		}
		if remote := strings.Contains(list, "jwks_url"); err == nil && (f.judge == nil || remote != (len(f.remote) == 1)) {
			t.Errorf("%s: %+v", list, f)
		}
	}
	if _, f, err := loadIssuers(""); err != nil || f.judge != nil {
		t.Errorf("without issuers: %+v, %v", f, err)
	}
	c, _, err := loadIssuers("", "CHAT_AUTH_PASSWORDS=false")
	if err != nil || !strings.Contains(strings.Join(c.warnings(), "\n"), "nobody can log in") {
		t.Errorf("no way in: %v, %v", c.warnings(), err)
	}
}
