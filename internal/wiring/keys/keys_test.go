package keys

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/auth"
	"chat-service/internal/config"
)

// TestOf: every field of the section arrives, the key that signs first.
func TestOf(t *testing.T) {
	c := config.DefaultJWT()
	c.KeyID, c.Secret, c.Issuer, c.Audience = "b", config.NewSecret("new"), "me", "you"
	c.Keys = []config.NamedSecret{{Name: "a", Secret: config.NewSecret("old")}}
	c.ExpireHour, c.Leeway = 0.05, config.Duration(2*time.Second)
	got, err := Of(c)
	want := auth.TokenOptions{
		Keys:   []auth.Key{{ID: "b", Secret: []byte("new")}, {ID: "a", Secret: []byte("old")}},
		Issuer: "me", Audience: "you", Lifetime: 3 * time.Minute, Leeway: 2 * time.Second,
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
}

func TestOfRefusesWhatIsNoKey(t *testing.T) {
	c := config.DefaultJWT()
	c.PublicKeys = []config.NamedSecret{{Name: "p", Secret: config.NewSecret("nonsense")}}
	if _, err := Of(c); err == nil || !strings.Contains(err.Error(), "jwt.public_keys: p") {
		t.Errorf("a broken public key: %v", err)
	}
}
