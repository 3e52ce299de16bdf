package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MinSecretBytes is the minimum length of a signing secret in release mode: the length of an HMAC-SHA-256 key.
const MinSecretBytes = 32

// DevelopmentSecret signs tokens when no secret is set. It is public, so release mode refuses it.
const DevelopmentSecret = "development-only-secret-never-use-it-in-release"

// JWT says how access tokens are signed and how long they and refresh tokens live. API and gateway must agree on it.
type JWT struct {
	// Secret is the key tokens are signed with.
	Secret Secret `yaml:"secret"`
	// KeyID names Secret in the tokens' header; it matters only while keys are rotated.
	KeyID string `yaml:"key_id"`
	// Keys are further keys, "id=secret", whose tokens are accepted too: to rotate, move the old secret here, set a new
	// secret and key_id, and remove the old one expire_hour later.
	Keys []NamedSecret `yaml:"keys"`
	// PrivateKey is an Ed25519 key in PKCS #8, PEM or its base64: the api then signs with it, under KeyID, and Secret signs nothing.
	PrivateKey Secret `yaml:"private_key"`
	// PublicKeys are further keys whose tokens are accepted, "id=base64" of what openssl pkey -pubout writes. A process that has
	// some, and no PrivateKey, can't make tokens: its Secret isn't used.
	PublicKeys []NamedSecret `yaml:"public_keys"`
	// ExpireHour is the lifetime of an access token, in hours.
	ExpireHour float64 `yaml:"expire_hour"`
	// RefreshHours is the lifetime of a refresh token, in hours.
	RefreshHours float64 `yaml:"refresh_hours"`
	// Issuer is the claim iss.
	Issuer string `yaml:"issuer"`
	// Audience is the claim aud.
	Audience string `yaml:"audience"`
	// Leeway is how far the clocks of two machines may differ, at most 30s.
	Leeway Duration `yaml:"leeway"`
}

// DefaultJWT has the lifetimes that the documentation promises and the development secret.
func DefaultJWT() JWT {
	return JWT{
		Secret: NewSecret(DevelopmentSecret), KeyID: "1",
		ExpireHour: 24, RefreshHours: 30 * 24,
		Issuer: "chat-service", Audience: "chat-service", Leeway: Duration(5 * time.Second),
	}
}

// Expire returns the lifetime of an access token.
func (j JWT) Expire() time.Duration { return time.Duration(j.ExpireHour * float64(time.Hour)) }

// Refresh returns the lifetime of a refresh token.
func (j JWT) Refresh() time.Duration { return time.Duration(j.RefreshHours * float64(time.Hour)) }

// Symmetric reports whether Secret signs tokens: there is no Ed25519 key.
func (j JWT) Symmetric() bool { return j.PrivateKey.Empty() && len(j.PublicKeys) == 0 }

// Validate checks what holds in every mode: no empty key, no two keys of one name, sane lifetimes.
func (j JWT) Validate() error {
	errs := []error{present("issuer", j.Issuer), present("audience", j.Audience), present("key_id", j.KeyID)}
	if j.Secret.Empty() {
		errs = append(errs, errors.New("secret: is empty: set at least 32 random bytes (openssl rand -base64 48)"))
	}
	if j.Expire() < time.Minute {
		errs = append(errs, fmt.Errorf("expire_hour: is %v: set at least a minute (0.017)", j.ExpireHour))
	}
	if j.Refresh() < j.Expire() {
		errs = append(errs, errors.New("refresh_hours: is less than expire_hour: a refresh token must outlive its access token"))
	}
	if j.Leeway < 0 || j.Leeway.D() > 30*time.Second {
		errs = append(errs, fmt.Errorf("leeway: is %v: set 0s to 30s", j.Leeway))
	}
	seen := map[string]bool{j.KeyID: j.Symmetric() || !j.PrivateKey.Empty()}
	for _, k := range slices.Concat(j.Keys, j.PublicKeys) {
		if seen[k.Name] {
			errs = append(errs, fmt.Errorf("keys: %q names two keys: give each its own id", k.Name))
		}
		seen[k.Name] = true
	}
	return errors.Join(errs...)
}

// ValidateRelease refuses default, short and well-known keys.
func (j JWT) ValidateRelease() error {
	var errs []error
	if j.Symmetric() || !j.PrivateKey.Empty() { // with a private key, refresh tokens still depend on it
		errs = append(errs, strongKey("secret", j.Secret))
	}
	for _, k := range j.Keys {
		errs = append(errs, strongKey("keys: "+k.Name, k.Secret))
	}
	return errors.Join(errs...)
}

func strongKey(key string, s Secret) error {
	text := s.Reveal()
	switch {
	case text == "":
		return nil // Validate has said so.
	case wellKnown(text):
		return fmt.Errorf("%s: is a default or well-known secret: server.mode release needs %d random bytes or more "+
			"(openssl rand -base64 48), in CHAT_JWT_SECRET or …_FILE", key, MinSecretBytes)
	case len(text) < MinSecretBytes:
		return fmt.Errorf("%s: has %d bytes: server.mode release needs %d random bytes or more (openssl rand -base64 48)",
			key, len(text), MinSecretBytes)
	case patterned(text):
		return fmt.Errorf("%s: repeats itself or counts up: server.mode release needs random bytes (openssl rand -base64 48)", key)
	case distinct(text) < 8:
		return fmt.Errorf("%s: repeats few characters: server.mode release needs random bytes (openssl rand -base64 48)", key)
	}
	return nil
}

// distinct counts the different bytes of a text: "aaaa…" is long and still no secret.
func distinct(text string) int {
	seen := map[byte]bool{}
	for i := range len(text) {
		seen[text[i]] = true
	}
	return len(seen)
}

// patterned reports whether a text is one piece written again and again, or mostly counts up or down.
func patterned(text string) bool {
	for period := 1; period <= len(text)/2; period++ {
		if text[period:] == text[:len(text)-period] {
			return true
		}
	}
	steps := 0
	for i := 1; i < len(text); i++ {
		if d := int(text[i]) - int(text[i-1]); d == 1 || d == -1 {
			steps++
		}
	}
	return len(text) > 1 && 2*steps >= len(text)
}

// wellKnown reports whether a secret is one that documentation and tutorials hand out, alone or written repeatedly, with digits and
// separators around it.
func wellKnown(text string) bool {
	t := strings.ToLower(text)
	for _, known := range []string{
		DevelopmentSecret, "your-secret-key", "your_secret_key", "your-256-bit-secret", "your_password", "yourpassword",
		"secret", "secretkey", "secret-key", "secret_key", "jwt-secret", "jwt_secret", "jwtsecret", "mysecret", "my-secret",
		"my-secret-key", "changeme", "change-me", "change_me", "changeit", "change-this-secret", "password", "passw0rd",
		"root", "admin", "guest", "test", "chat", "default", "123456", "12345678", "0123456789", "0123456789abcdef",
	} {
		if strings.Trim(strings.ReplaceAll(t, known, ""), "-_. 0123456789!") == "" && strings.Contains(t, known) {
			return true
		}
	}
	return false
}

// minPassword is the length of a server's password in release mode.
const minPassword = 12

// hardPassword refuses a server's password that can be guessed. An empty one is somebody else's to judge.
func hardPassword(key, text string) error {
	switch {
	case text == "":
		return nil
	case wellKnown(text):
		return fmt.Errorf("%s: is well known: server.mode release needs one that can't be guessed", key)
	case len(text) < minPassword || patterned(text):
		return fmt.Errorf("%s: is short, repeats itself or counts up: server.mode release needs %d characters or more that can't be guessed",
			key, minPassword)
	}
	return nil
}
