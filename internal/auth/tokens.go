package auth

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chat-service/internal/chat"
)

const (
	// MaxTokenBytes bounds an access token. Longer ones are refused unread.
	MaxTokenBytes = 4096
	// MaxLeeway bounds how far two machines' clocks may differ.
	MaxLeeway = 30 * time.Second

	typeAccess = "access"
)

// Key is what tokens are signed or verified with, and the id by which they name it: a secret for HS256, or a pair for EdDSA, of which
// who only verifies holds the public part. A key serves one algorithm, so that no token chooses how it is verified.
type Key struct {
	ID      string
	Secret  []byte
	Private ed25519.PrivateKey
	Public  ed25519.PublicKey // that of Private, if there is one
}

// method is the algorithm that the key serves.
func (k Key) method() jwt.SigningMethod {
	if len(k.Secret) > 0 {
		return jwt.SigningMethodHS256
	}
	return jwt.SigningMethodEdDSA
}

// verifier is the part of the key that tokens are verified with.
func (k Key) verifier() any {
	if len(k.Secret) > 0 {
		return k.Secret
	}
	return k.Public
}

// signer is the part that they are signed with; nil if it isn't here.
func (k Key) signer() any {
	switch {
	case len(k.Secret) > 0:
		return k.Secret
	case len(k.Private) > 0:
		return k.Private
	}
	return nil
}

// publicOf is the public part of a key.
func publicOf(k ed25519.PrivateKey) ed25519.PublicKey {
	public, _ := k.Public().(ed25519.PublicKey)
	return public
}

// ParsePrivateKey reads an Ed25519 key as `openssl genpkey -algorithm ed25519` writes it: PKCS #8 in PEM, or its base64 alone.
func ParsePrivateKey(text string) (ed25519.PrivateKey, error) {
	der, err := keyBytes(text)
	if err != nil {
		return nil, err
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if key, ok := k.(ed25519.PrivateKey); err == nil && ok {
		return key, nil
	}
	return nil, errors.New("is no Ed25519 key in PKCS #8: make one by openssl genpkey -algorithm ed25519")
}

// ParsePublicKey reads the public part as `openssl pkey -pubout` writes it, in PEM or its base64 alone.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	der, err := keyBytes(text)
	if err != nil {
		return nil, err
	}
	k, err := x509.ParsePKIXPublicKey(der)
	if key, ok := k.(ed25519.PublicKey); err == nil && ok {
		return key, nil
	}
	return nil, errors.New("is no public Ed25519 key: write it by openssl pkey -pubout")
}

// keyBytes reads the DER of a key. Its errors never hold the text.
func keyBytes(text string) ([]byte, error) {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return block.Bytes, nil
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, errors.New("is neither PEM nor base64")
	}
	return der, nil
}

// TokenOptions are what issuer and verifier must agree on.
type TokenOptions struct {
	// Keys are the accepted keys; the first signs. Rotating: put the new one first, drop the old one a Lifetime later.
	Keys     []Key
	Issuer   string
	Audience string
	// Lifetime of an access token.
	Lifetime time.Duration
	// Leeway is how far clocks may differ, at most MaxLeeway.
	Leeway time.Duration
}

// Validate refuses, among other things, empty keys, which the algorithm itself would accept.
func (o TokenOptions) Validate() error {
	if len(o.Keys) == 0 {
		return errors.New("auth: no key to sign tokens with")
	}
	seen := map[string]bool{}
	for _, k := range o.Keys {
		switch {
		case k.ID == "" || len(k.Secret) == 0 && len(k.Public) != ed25519.PublicKeySize:
			return fmt.Errorf("auth: key %q: id and secret, or a public key, are both needed", k.ID)
		case len(k.Secret) > 0 && len(k.Public)+len(k.Private) > 0:
			return fmt.Errorf("auth: key %q: serves two algorithms", k.ID)
		case len(k.Private) > 0 && !k.Public.Equal(k.Private.Public()):
			return fmt.Errorf("auth: key %q: the private and the public part are not a pair", k.ID)
		case seen[k.ID]:
			return fmt.Errorf("auth: two keys have the id %q", k.ID)
		}
		seen[k.ID] = true
	}
	switch {
	case o.Issuer == "" || o.Audience == "":
		return errors.New("auth: issuer and audience are both needed")
	case o.Lifetime <= 0:
		return errors.New("auth: lifetime of tokens must be above 0")
	case o.Leeway < 0 || o.Leeway > MaxLeeway:
		return fmt.Errorf("auth: leeway must be 0 to %v", MaxLeeway)
	}
	return nil
}

// Claims are the contents of a valid access token.
type Claims struct {
	UserID    chat.UserID
	SessionID chat.SessionID
	ExpiresAt time.Time
}

// claims are Claims as the token carries them.
type claims struct {
	jwt.RegisteredClaims

	Type      string `json:"typ"`
	SessionID string `json:"sid"`

	user chat.UserID
}

var errClaims = errors.New("claims are not those of an access token")

// Validate is called by the parser, after the signature has been verified.
func (c *claims) Validate() error {
	id, err := strconv.ParseUint(c.Subject, 10, 64)
	if err != nil || id == 0 || id > chat.MaxID || strconv.FormatUint(id, 10) != c.Subject ||
		c.Type != typeAccess || c.SessionID == "" {
		return errClaims
	}
	c.user = chat.UserID(id)
	return nil
}

// Issuer makes access tokens.
type Issuer struct{ o TokenOptions }

// NewIssuer makes an Issuer.
func NewIssuer(o TokenOptions) (*Issuer, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Keys[0].signer() == nil {
		return nil, fmt.Errorf("auth: key %q can only verify: the first key signs", o.Keys[0].ID)
	}
	return &Issuer{o}, nil
}

// Issue returns a signed token for a user's session, and how long it is valid from now.
func (i *Issuer) Issue(user chat.UserID, session chat.SessionID, now time.Time) (token string, expiresIn time.Duration, err error) {
	t := jwt.NewWithClaims(i.o.Keys[0].method(), &claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: i.o.Issuer, Audience: jwt.ClaimStrings{i.o.Audience}, Subject: user.String(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(i.o.Lifetime)),
		},
		Type: typeAccess, SessionID: string(session),
	})
	t.Header["kid"] = i.o.Keys[0].ID
	token, err = t.SignedString(i.o.Keys[0].signer())
	if err != nil {
		return "", 0, fmt.Errorf("sign token: %w", err)
	}
	return token, i.o.Lifetime, nil
}

// Verifier verifies access tokens. It is safe for concurrent use.
type Verifier struct {
	parser *jwt.Parser
	keys   map[string]Key
}

// NewVerifier makes a Verifier that reads the time from now; nil means time.Now.
func NewVerifier(o TokenOptions, now func() time.Time) (*Verifier, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	v := &Verifier{keys: map[string]Key{}}
	for _, k := range o.Keys {
		v.keys[k.ID] = k
	}
	v.parser = jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg(), jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithExpirationRequired(), // iat is not judged: an issuer whose clock is ahead is no forger
		jwt.WithIssuer(o.Issuer), jwt.WithAudience(o.Audience),
		jwt.WithLeeway(o.Leeway), jwt.WithTimeFunc(now),
		jwt.WithStrictDecoding(),
	)
	return v, nil
}

// Verify returns the claims of a valid token, else chat.TokenExpired or chat.Unauthenticated.
func (v *Verifier) Verify(token string) (Claims, error) {
	if !wellFormed(token, MaxTokenBytes) {
		return Claims{}, badToken(nil)
	}
	var c claims
	_, err := v.parser.ParseWithClaims(token, &c, v.key)
	switch {
	case onlyTime(err):
		return Claims{}, chat.Wrap(chat.TokenExpired, err, "the token has expired")
	case err != nil:
		return Claims{}, badToken(err)
	case ambiguous(token):
		return Claims{}, badToken(errors.New("a name occurs twice"))
	}
	return Claims{UserID: c.user, SessionID: chat.SessionID(c.SessionID), ExpiresAt: c.ExpiresAt.Time}, nil
}

// key finds the token's key by its id; kid is never taken for a path or an address. Other headers are ignored.
func (v *Verifier) key(t *jwt.Token) (any, error) {
	kid, _ := t.Header["kid"].(string)
	key, ok := v.keys[kid]
	if !ok {
		return nil, errors.New("unknown key id")
	}
	if t.Method != key.method() {
		return nil, errors.New("the key serves another algorithm")
	}
	return key.verifier(), nil
}

func badToken(cause error) error {
	return chat.Wrap(chat.Unauthenticated, cause, "the token is not valid")
}

// onlyTime reports whether the time is all that is wrong, that is whether the token was valid once or will be: its bearer gets
// another one, and need not log in again.
func onlyTime(err error) bool {
	if !errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenNotValidYet) {
		return false
	}
	for _, other := range []error{
		jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidAudience,
		jwt.ErrTokenUsedBeforeIssued, jwt.ErrTokenRequiredClaimMissing, errClaims,
	} {
		if errors.Is(err, other) {
			return false
		}
	}
	return true
}

// wellFormed checks length and letters before anything is parsed: three parts of unpadded base64url. Go's base64 would
// skip line breaks, which would give one token many spellings.
func wellFormed(token string, most int) bool {
	if len(token) > most || strings.Count(token, ".") != 2 {
		return false
	}
	for i := range len(token) {
		switch c := token[i]; {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// ambiguous reports whether header or claims contain a name twice, which two parsers could read in two ways. The token has
// been verified, so both are JSON.
func ambiguous(token string) bool {
	head, rest, _ := strings.Cut(token, ".")
	body, _, _ := strings.Cut(rest, ".")
	buf := make([]byte, 0, 512)
	for _, part := range []string{head, body} {
		data, err := base64.RawURLEncoding.AppendDecode(buf[:0], []byte(part))
		if err != nil || repeats(data) {
			return true
		}
	}
	return false
}

// repeats reports whether a JSON object has a name twice, ignoring letter case, as encoding/json matches names. A name that is
// written with escapes counts as a repeat. The data must be JSON.
func repeats(data []byte) bool {
	var names [][]byte
	depth := 0
	naming := false // whether a string at this place is a name of the object
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			depth++
			naming = depth == 1 && data[i] == '{'
		case '}', ']':
			depth--
		case ',':
			naming = depth == 1
		case '"':
			begin := i + 1
			for i = begin; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			if !naming {
				continue
			}
			naming = false
			name := data[begin:min(i, len(data))]
			same := func(other []byte) bool { return bytes.EqualFold(name, other) }
			if bytes.IndexByte(name, '\\') >= 0 || slices.ContainsFunc(names, same) {
				return true
			}
			names = append(names, name)
		}
	}
	return false
}
