package config

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Every type here reads itself from text, so that a value means the same in the file and in the environment.
var (
	_ encoding.TextUnmarshaler = (*Duration)(nil)
	_ encoding.TextUnmarshaler = (*Port)(nil)
	_ encoding.TextUnmarshaler = (*Secret)(nil)
	_ encoding.TextUnmarshaler = (*NamedSecret)(nil)
	_ fmt.Formatter            = Secret{}
	_ slog.LogValuer           = Secret{}
	_ yaml.Marshaler           = Secret{}
)

// Duration is a time.Duration written as "5s", "1m30s" or "250ms".
type Duration time.Duration

// D returns the plain time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String returns the form that UnmarshalText reads.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText returns the form that UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "5s". A bare number is refused except 0: it would leave open whether seconds or milliseconds are meant.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration: write a number with its unit, such as 500ms, 5s or 1h30m", text)
	}
	*d = Duration(v)
	return nil
}

// Port is a TCP port from 0 to 65535, written as a number or as a string. 0 lets the system choose.
type Port uint16

// String returns the port in decimal, as net.JoinHostPort expects it.
func (p Port) String() string { return strconv.Itoa(int(p)) }

// MarshalText returns the port in decimal.
func (p Port) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a decimal port.
func (p *Port) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil {
		return fmt.Errorf("%q is not a port: write a number from 0 to 65535", text)
	}
	*p = Port(v)
	return nil
}

const redacted = "[redacted]"

// Secret is a string that must not be seen. However it is printed, logged or encoded, it shows as "[redacted]", or
// as nothing where it is empty. Two secrets are compared with Equal.
//
// The text sits behind a pointer because fmt reaches unexported fields of other structs without asking their
// methods: there it finds an address.
type Secret struct{ text *string }

// NewSecret wraps text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text itself, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty reports whether there is no text.
func (s Secret) Empty() bool { return s.text == nil }

// Equal reports whether both hold the same text. It takes no care of timing: it serves tests and defaults.
func (s Secret) Equal(o Secret) bool { return s.Reveal() == o.Reveal() }

// String returns "[redacted]", or "" where the secret is empty.
func (s Secret) String() string {
	if s.Empty() {
		return ""
	}
	return redacted
}

// Format prints the redacted form for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue gives slog the redacted form.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText encodes the redacted form; encoding/json uses it for values and keys alike.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON encodes the redacted form.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(strconv.Quote(s.String())), nil }

// MarshalYAML encodes the redacted form.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// UnmarshalText takes the text as it is.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

func (Secret) isSecret() {}

// NamedSecret is one of several secrets in use at the same time, written "name=text". Lists of it rotate keys: a
// new one is added first, the old one is removed when nothing depends on it any more.
type NamedSecret struct {
	Name   string
	Secret Secret
}

// String returns "name=[redacted]".
func (n NamedSecret) String() string { return n.Name + "=" + n.Secret.String() }

// MarshalText encodes the redacted form.
func (n NamedSecret) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads "name=text". The error never holds the text.
func (n *NamedSecret) UnmarshalText(text []byte) error {
	name, secret, ok := strings.Cut(string(text), "=")
	if !ok || name == "" || secret == "" {
		return errors.New("a named secret is written name=text, such as 2026a=…")
	}
	*n = NamedSecret{Name: name, Secret: NewSecret(secret)}
	return nil
}

func (NamedSecret) isSecret() {}
