package chat

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

func TestWebhookSecrets(t *testing.T) {
	secret := []byte("thirty-two bytes of nothing much")
	if got, err := ParseWebhookSecret(WebhookSecretText(secret)); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("what was written is read as %q, %v", got, err)
	}
	of := func(n int) string { return secretPrefix + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for _, good := range []string{of(24), of(25), of(64)} {
		if _, err := ParseWebhookSecret(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "whsec_", of(23), of(65), strings.TrimPrefix(of(32), secretPrefix), of(24) + "\n", of(32) + "=", strings.TrimRight(of(32), "="),
		"whsec_" + base64.URLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 24))), "WHSEC_" + of(24)[6:], of(24)[:20] + "\n" + of(24)[20:],
	} {
		if raw, err := ParseWebhookSecret(bad); err == nil || len(raw) > 0 || len(bad) > 20 && strings.Contains(err.Error(), bad[6:]) {
			t.Errorf("%q: %d bytes, error %v: want an error that doesn't hold it", bad, len(raw), err)
		}
	}
}
