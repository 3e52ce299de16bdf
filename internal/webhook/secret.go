package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"chat-service/internal/chat"
)

// A secret is written whsec_<base64 of its bytes>.
const (
	secretPrefix = "whsec_"
	secretBytes  = 32 // of those that are made here
	minSecret    = 24
	maxSecret    = 64
)

// NewSecret makes the secret of an endpoint.
func NewSecret() []byte {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails
	return b
}

// SecretText writes a secret as its owner keeps it.
func SecretText(secret []byte) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// ParseSecret reads what SecretText wrote. Errors never hold it.
func ParseSecret(text string) ([]byte, error) {
	encoded, found := strings.CutPrefix(text, secretPrefix)
	secret, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !found || err != nil || strings.ContainsAny(encoded, "\r\n") || len(secret) < minSecret || len(secret) > maxSecret {
		return nil, chat.E(chat.Invalid, "a secret is written %s and the base64 form of %d to %d bytes", secretPrefix, minSecret, maxSecret)
	}
	return secret, nil
}

// Sign returns one signature of a post, as it stands in the header webhook-signature.
func Sign(secret []byte, id string, at time.Time, body []byte) string {
	h := hmac.New(sha256.New, secret)
	_, _ = h.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	_, _ = h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}
