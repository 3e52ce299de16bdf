package chat

import (
	"encoding/base64"
	"strings"
	"time"
)

// secretPrefix stands before the secret of an endpoint, as its owner keeps it.
const secretPrefix = "whsec_"

// WebhookOverlap is how long the secret before still signs after it was replaced.
const WebhookOverlap = 24 * time.Hour

// WebhookSecretText writes an endpoint's secret as its owner keeps it, by Standard Webhooks.
func WebhookSecretText(secret []byte) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// ParseWebhookSecret reads what WebhookSecretText wrote. Errors never hold it.
func ParseWebhookSecret(text string) ([]byte, error) {
	encoded, found := strings.CutPrefix(text, secretPrefix)
	secret, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !found || err != nil || strings.ContainsAny(encoded, "\r\n") || len(secret) < MinWebhookSecret || len(secret) > MaxWebhookSecret {
		return nil, BadField("secret", "is written %s and the base64 form of %d to %d bytes", secretPrefix, MinWebhookSecret, MaxWebhookSecret)
	}
	return secret, nil
}
