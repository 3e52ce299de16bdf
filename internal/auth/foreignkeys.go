package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// The bounds of a set of keys, and of an RSA key: a shorter one is weak, a longer one slow.
const (
	MaxKeySetBytes = 1 << 20
	MaxKeySetKeys  = 100
	minRSABits     = 2048
	maxRSABits     = 8192
)

// ForeignKeys are the keys of another issuer.
type ForeignKeys interface {
	// find returns the keys that a token may be verified with which names kid ("": it names none).
	find(kid string) ([]foreignKey, error)
}

// errNoKeys: there are no keys to judge a token by.
var errNoKeys = errors.New("no keys")

// foreignKey verifies tokens of one algorithm, which follows from the key: a token doesn't choose.
type foreignKey struct {
	id       string
	method   jwt.SigningMethod
	material any
}

// FixedKeys are keys that never change.
type FixedKeys struct {
	keys  []foreignKey
	named bool // they have ids, by which tokens name them
}

func (k FixedKeys) find(kid string) ([]foreignKey, error) {
	if k.named {
		return named(k.keys, kid), nil
	}
	return k.keys, nil
}

// named returns the key of an id. A token that names none is judged by the only key there is: trying many would cost a signature each.
func named(keys []foreignKey, kid string) []foreignKey {
	if kid == "" && len(keys) == 1 {
		return keys
	}
	i := slices.IndexFunc(keys, func(k foreignKey) bool { return kid != "" && k.id == kid })
	if i < 0 {
		return nil
	}
	return keys[i : i+1]
}

// keyOf finds the key of a token by its id, which is never taken for a path or an address. Headers that bring keys along are ignored.
func keyOf(keys ForeignKeys, t *jwt.Token) (any, error) {
	kid, isText := t.Header["kid"].(string)
	if _, there := t.Header["kid"]; there && (!isText || kid == "") {
		return nil, errors.New("the key id is no text")
	}
	found, err := keys.find(kid)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, errors.New("unknown key id")
	case t.Method != found[0].method:
		return nil, errors.New("the key serves another algorithm")
	}
	return found[0].material, nil
}

// SharedSecret makes the keys of an issuer who signs by HS256.
func SharedSecret(secret []byte) (FixedKeys, error) {
	if len(secret) < 32 {
		return FixedKeys{}, fmt.Errorf("has %d bytes: HS256 needs 32 random bytes or more (openssl rand -base64 48)", len(secret))
	}
	return FixedKeys{keys: []foreignKey{{method: jwt.SigningMethodHS256, material: bytes.Clone(secret)}}}, nil
}

// PublicPEM makes the keys of an issuer whose one public key is in PEM, as `openssl pkey -pubout` writes it.
func PublicPEM(data []byte) (FixedKeys, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "PUBLIC KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return FixedKeys{}, errors.New("is not one PUBLIC KEY in PEM: write it by openssl pkey -pubout")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return FixedKeys{}, fmt.Errorf("is no public key: %w", err)
	}
	k, err := keyFrom(public)
	return FixedKeys{keys: []foreignKey{k}}, err
}

// keyFrom says which algorithm a public key serves.
func keyFrom(public crypto.PublicKey) (foreignKey, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSABits || n > maxRSABits {
			return foreignKey{}, fmt.Errorf("is an RSA key of %d bits: %d to %d are taken", n, minRSABits, maxRSABits)
		}
		if k.E < 3 || k.E%2 == 0 {
			return foreignKey{}, errors.New("is an RSA key with an exponent that is none")
		}
		return foreignKey{method: jwt.SigningMethodRS256, material: k}, nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return foreignKey{}, errors.New("is on another curve than P-256, which ES256 takes")
		}
		return foreignKey{method: jwt.SigningMethodES256, material: k}, nil
	case ed25519.PublicKey:
		return foreignKey{method: jwt.SigningMethodEdDSA, material: k}, nil
	}
	return foreignKey{}, errors.New("is of a kind that is not taken: RSA, P-256 and Ed25519 are")
}

// KeySet reads a JSON Web Key Set (RFC 7517) of public keys. Keys that are not for signatures, or of another kind, are left out, as the RFC
// wants it; so are those that are weak or broken. One that can be used must be left.
func KeySet(data []byte) (FixedKeys, error) {
	if len(data) > MaxKeySetBytes {
		return FixedKeys{}, fmt.Errorf("has more than %d bytes", MaxKeySetBytes)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return FixedKeys{}, errors.New("is no JSON Web Key Set: an object with keys is")
	}
	if len(set.Keys) > MaxKeySetKeys {
		return FixedKeys{}, fmt.Errorf("has %d keys: at most %d are taken", len(set.Keys), MaxKeySetKeys)
	}
	out := FixedKeys{named: true}
	var why error
	for _, raw := range set.Keys {
		k, err := webKey(raw)
		twice := slices.ContainsFunc(out.keys, func(o foreignKey) bool { return k.id != "" && o.id == k.id })
		switch {
		case err != nil:
			why = err
		case !twice: // of two keys with one id the first counts
			out.keys = append(out.keys, k)
		}
	}
	if len(out.keys) == 0 {
		if why == nil {
			why = errors.New("it is empty")
		}
		return FixedKeys{}, fmt.Errorf("has no key that can be used (RSA from %d bits, P-256, Ed25519, for signatures): %w", minRSABits, why)
	}
	return out, nil
}

// jwk is a key of a set; what isn't here is ignored.
type jwk struct {
	Kty string   `json:"kty"`
	Kid string   `json:"kid"`
	Use string   `json:"use"`
	Ops []string `json:"key_ops"`
	Alg string   `json:"alg"`
	Crv string   `json:"crv"`
	N   string   `json:"n"`
	E   string   `json:"e"`
	X   string   `json:"x"`
	Y   string   `json:"y"`
	D   string   `json:"d"`
}

func webKey(raw json.RawMessage) (foreignKey, error) {
	var j jwk
	if err := json.Unmarshal(raw, &j); err != nil {
		return foreignKey{}, errors.New("a key can't be read")
	}
	if j.Use != "" && j.Use != "sig" || j.Ops != nil && !slices.Contains(j.Ops, "verify") {
		return foreignKey{}, errors.New("a key is not for signatures")
	}
	if j.D != "" {
		return foreignKey{}, errors.New("a key is private: whoever can read the set can sign")
	}
	public, err := j.public()
	if err != nil {
		return foreignKey{}, err
	}
	k, err := keyFrom(public)
	if err == nil && j.Alg != "" && j.Alg != k.method.Alg() {
		err = errors.New("a key is for another algorithm")
	}
	k.id = j.Kid
	return k, err
}

// public makes the key (RFC 7518, 6.2 and 6.3; RFC 8037).
func (j jwk) public() (crypto.PublicKey, error) {
	n, e, x, y := decoded(j.N), decoded(j.E), decoded(j.X), decoded(j.Y)
	switch {
	case j.Kty == "RSA" && len(n) > 0 && len(e) > 0 && len(e) <= 4:
		exponent := new(big.Int).SetBytes(e).Int64()
		if exponent > 1<<31-1 {
			return nil, errors.New("an RSA key has an exponent that is none")
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}, nil
	case j.Kty == "EC" && j.Crv == "P-256" && len(x) == 32 && len(y) == 32:
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y)) // it checks that the point is on the curve
	case j.Kty == "OKP" && j.Crv == "Ed25519" && len(x) == ed25519.PublicKeySize:
		return ed25519.PublicKey(x), nil
	}
	return nil, errors.New("a key is of another kind, or incomplete")
}

// decoded reads unpadded base64url; nil if it is none.
func decoded(s string) []byte {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}
