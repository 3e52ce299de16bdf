package auth

import (
	"fmt"
	"slices"
)

// NamedKey is a key's id and its text.
type NamedKey struct{ ID, Text string }

// KeyTexts are keys as a configuration holds them.
type KeyTexts struct {
	ID      string // of the key that signs
	Secret  string // signs if there is neither Private nor any of Publics
	Private string // Ed25519; "": none
	Secrets []NamedKey
	Publics []NamedKey
}

// Keys reads the keys, the one that signs first; where there is only a public one, nobody can sign with the result.
func (k KeyTexts) Keys() ([]Key, error) {
	var keys []Key
	switch {
	case k.Private != "":
		private, err := ParsePrivateKey(k.Private)
		if err != nil {
			return nil, fmt.Errorf("jwt.private_key: %w", err)
		}
		keys = append(keys, Key{ID: k.ID, Private: private, Public: publicOf(private)})
	case len(k.Publics) == 0:
		keys = append(keys, Key{ID: k.ID, Secret: []byte(k.Secret)})
	}
	for _, p := range k.Publics {
		public, err := ParsePublicKey(p.Text)
		if err != nil {
			return nil, fmt.Errorf("jwt.public_keys: %s: %w", p.ID, err)
		}
		keys = append(keys, Key{ID: p.ID, Public: public})
	}
	for _, s := range k.Secrets {
		keys = append(keys, Key{ID: s.ID, Secret: []byte(s.Text)})
	}
	return slices.Clip(keys), nil
}
