package auth

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chat-service/internal/chat"
)

const (
	// MaxForeignBytes bounds a token of another issuer. Longer ones are refused unread.
	MaxForeignBytes = 8192
	// MaxForeignLeeway bounds how far another issuer's clock may differ.
	MaxForeignLeeway = 2 * time.Minute
)

// ForeignIssuer is an issuer of the application's own, whose tokens are traded for ours.
type ForeignIssuer struct {
	Issuer   string // the claim iss, compared exactly
	Audience string // must be among the claim aud
	Keys     ForeignKeys
	// Subject, Name and Picture name the claims that are read.
	Subject, Name, Picture string
	Provide                bool // accounts are made at first sight
	External               bool // its subjects are the application's own ids of users: they are the users whom a backend's calls name
	Leeway                 time.Duration
}

// Foreigns judges the tokens of other issuers. It is safe for concurrent use.
type Foreigns struct {
	issuers map[string]foreign
	peek    *jwt.Parser
}

type foreign struct {
	ForeignIssuer
	parser *jwt.Parser
}

// NewForeigns makes a Foreigns that reads the time from now; nil means time.Now.
func NewForeigns(issuers []ForeignIssuer, now func() time.Time) (*Foreigns, error) {
	if now == nil {
		now = time.Now
	}
	algorithms := []string{
		jwt.SigningMethodHS256.Alg(), jwt.SigningMethodRS256.Alg(), jwt.SigningMethodES256.Alg(), jwt.SigningMethodEdDSA.Alg(),
	}
	f := &Foreigns{issuers: map[string]foreign{}, peek: jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithStrictDecoding())}
	for _, i := range issuers {
		switch _, twice := f.issuers[i.Issuer]; {
		case i.Issuer == "" || i.Audience == "" || i.Subject == "" || i.Keys == nil:
			return nil, errors.New("auth: an issuer needs a name, an audience, keys and the name of the claim of its users")
		case i.Leeway < 0 || i.Leeway > MaxForeignLeeway:
			return nil, fmt.Errorf("auth: leeway must be 0 to %v", MaxForeignLeeway)
		case twice:
			return nil, fmt.Errorf("auth: issuer %q is there twice", i.Issuer)
		}
		f.issuers[i.Issuer] = foreign{i, jwt.NewParser(
			jwt.WithValidMethods(algorithms), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
			jwt.WithIssuer(i.Issuer), jwt.WithAudience(i.Audience), jwt.WithLeeway(i.Leeway), jwt.WithTimeFunc(now),
			jwt.WithStrictDecoding(), jwt.WithJSONNumber(),
		)}
	}
	return f, nil
}

// Judge returns whom a token vouches for: chat.TokenExpired if its time is all that is wrong, chat.Unavailable if there are no keys to
// judge it by at the moment, else chat.Unauthenticated. What is wrong is in the error's cause, for the audit trail alone.
func (f *Foreigns) Judge(token string) (chat.Vouched, error) {
	if !wellFormed(token, MaxForeignBytes) {
		return chat.Vouched{}, badToken(errors.New("it is not three parts of base64url, or too long"))
	}
	i, err := f.issuer(token)
	if err != nil {
		return chat.Vouched{}, badToken(err)
	}
	claims := jwt.MapClaims{}
	_, err = i.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) { return keyOf(i.Keys, t) })
	switch {
	case errors.Is(err, errNoKeys):
		return chat.Vouched{}, chat.Wrap(chat.Unavailable, err, "the keys of the token's issuer can't be had at the moment")
	case errors.Is(err, jwt.ErrTokenExpired) && onlyTime(err) && !errors.Is(err, jwt.ErrTokenNotValidYet):
		return chat.Vouched{}, chat.Wrap(chat.TokenExpired, err, "the token has expired")
	case err != nil:
		return chat.Vouched{}, badToken(err)
	case ambiguous(token):
		return chat.Vouched{}, badToken(errors.New("a name occurs twice"))
	}
	who := chat.Identity{Issuer: i.Issuer, Subject: subject(claims[i.Subject])}
	if i.External {
		who = chat.External(who.Subject)
	}
	v := chat.Vouched{
		Identity: who, Name: text(claims, i.Name), Picture: text(claims, i.Picture), Provide: i.Provide,
	}
	if !v.Valid() {
		return chat.Vouched{}, badToken(fmt.Errorf("the claim %s names nobody: 1 to %d bytes without control characters do", i.Subject, chat.MaxSubject))
	}
	return v, nil
}

// issuer finds the issuer that an unverified token names, by which it is verified then.
func (f *Foreigns) issuer(token string) (foreign, error) {
	claims := jwt.MapClaims{}
	t, _, err := f.peek.ParseUnverified(token, claims)
	if err != nil {
		return foreign{}, err
	}
	// An extension that is critical to its issuer must be understood (RFC 7515, 4.1.11): none is.
	if _, there := t.Header["crit"]; there {
		return foreign{}, errors.New("it has critical headers")
	}
	name, _ := claims["iss"].(string)
	i, ok := f.issuers[name]
	if !ok {
		return foreign{}, errors.New("unknown issuer")
	}
	return i, nil
}

// whole is a whole number as JSON writes it: an application's own id of a user, often.
var whole = regexp.MustCompile(`^(0|[1-9][0-9]{0,19})$`)

// subject reads the claim that names the user: a text, or a whole number.
func subject(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case interface{ String() string }: // a json.Number
		if whole.MatchString(v.String()) {
			return v.String()
		}
	}
	return ""
}

func text(claims jwt.MapClaims, name string) string {
	s, _ := claims[name].(string)
	return s
}
