package webhook

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"chat-service/internal/chat"
)

// The example of the specification's own libraries.
func TestSignatureIsTheStandards(t *testing.T) {
	secret, err := chat.ParseWebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
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
	fresh := Endpoints{}.NewSecret()
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
		w, err := standardwebhooks.NewWebhook(chat.WebhookSecretText(secret))
		if err != nil {
			t.Fatal(err)
		}
		return w.Verify([]byte(body), got.header)
	}
	for _, secret := range d.Secrets {
		if err := verify(secret, string(d.Body)); err != nil {
			t.Errorf("by %s: %v", chat.WebhookSecretText(secret), err)
		}
		if err := verify(secret, string(d.Body)+" "); err == nil {
			t.Error("an altered body passes")
		}
	}
	if err := verify(Endpoints{}.NewSecret(), string(d.Body)); err == nil {
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
