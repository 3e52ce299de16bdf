package webhook

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func TestSecrets(t *testing.T) {
	a, b := SecretText(NewSecret()), SecretText(NewSecret())
	if a == b {
		t.Errorf("made %s twice", a)
	}
	if raw, err := ParseSecret(a); err != nil || len(raw) != secretBytes {
		t.Errorf("what was made can't be read: %d bytes, %v", len(raw), err)
	}
	of := func(n int) string { return secretPrefix + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for _, good := range []string{of(24), of(25), of(64)} {
		if _, err := ParseSecret(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "whsec_", of(23), of(65), strings.TrimPrefix(of(32), secretPrefix), of(24) + "\n", of(32) + "=", strings.TrimRight(of(32), "="),
		"whsec_" + base64.URLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 24))), "WHSEC_" + of(24)[6:], of(24)[:20] + "\n" + of(24)[20:],
	} {
		if raw, err := ParseSecret(bad); err == nil || len(raw) > 0 || len(bad) > 20 && strings.Contains(err.Error(), bad[6:]) {
			t.Errorf("%q: %d bytes, error %v: want an error that doesn't hold it", bad, len(raw), err)
		}
	}
}

// The example of the specification's own libraries.
func TestSignatureIsTheStandards(t *testing.T) {
	secret, err := ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil || !bytes.Equal(secret, known) {
		t.Fatal(secret, err)
	}
	got := Sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

// What arrives is verified by the public library, by either secret while one is replaced, and not by a third, nor after a change.
func TestPostsAreVerifiedByThePublicLibrary(t *testing.T) {
	type post struct {
		header http.Header
		body   []byte
	}
	posts := make(chan post, 1)
	c, s := receiver(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.RequestURI() != "/hooks?app=1" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		posts <- post{r.Header, body}
		w.WriteHeader(http.StatusNoContent)
	})
	d := to(s.URL + "/hooks?app=1")
	fresh := NewSecret()
	d.Secrets = [][]byte{fresh, known}
	a, err := c.Post(t.Context(), d)
	if err != nil || a.Status != http.StatusNoContent || !a.Accepted() || a.Note != "" || a.Took <= 0 {
		t.Fatalf("answer %+v, error %v", a, err)
	}
	got := <-posts
	if string(got.body) != string(d.Body) || got.header.Get("Webhook-Id") != d.ID || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("posted %s with %v", got.body, got.header)
	}
	verify := func(secret []byte, body string) error {
		w, err := standardwebhooks.NewWebhook(SecretText(secret))
		if err != nil {
			t.Fatal(err)
		}
		return w.Verify([]byte(body), got.header)
	}
	for _, secret := range d.Secrets {
		if err := verify(secret, string(d.Body)); err != nil {
			t.Errorf("by %s: %v", SecretText(secret), err)
		}
		if err := verify(secret, string(d.Body)+" "); err == nil {
			t.Error("an altered body passes")
		}
	}
	if err := verify(NewSecret(), string(d.Body)); err == nil {
		t.Error("a secret that isn't the endpoint's fits")
	}
}

func TestPostNeedsItsSecrets(t *testing.T) {
	c, s := receiver(t, Options{}, func(http.ResponseWriter, *http.Request) { t.Error("was posted") })
	for name, secrets := range map[string][][]byte{"none": nil, "an empty one": {known, nil}, "a short one": {[]byte("short")}, "too many": {known, known, known, known, known}} {
		d := to(s.URL)
		d.Secrets = secrets
		if _, err := c.Post(t.Context(), d); err == nil || strings.Contains(err.Error(), "short") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
