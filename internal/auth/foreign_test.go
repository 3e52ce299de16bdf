package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chat-service/internal/chat"
)

// signers are keys of the application, one of each algorithm.
type signers struct {
	secret []byte
	rsa    *rsa.PrivateKey
	ec     *ecdsa.PrivateKey
	ed     ed25519.PrivateKey
}

var makeSigners = sync.OnceValue(func() signers {
	r, e1 := rsa.GenerateKey(rand.Reader, 2048)
	e, e2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, d, e3 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(e1, e2, e3); err != nil {
		panic(err)
	}
	return signers{bytes.Repeat([]byte("0123456789abcdef"), 2), r, e, d}
})

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// webKeys writes public keys as a set, by kind, each with its kind as id.
func (s signers) webKeys(kinds ...string) []map[string]any {
	point, _ := s.ec.PublicKey.Bytes()
	all := map[string]map[string]any{
		"rsa": {"kty": "RSA", "n": b64(s.rsa.N.Bytes()), "e": b64(big.NewInt(int64(s.rsa.E)).Bytes())},
		"ec":  {"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])},
		"ed":  {"kty": "OKP", "crv": "Ed25519", "x": b64(publicOf(s.ed))},
	}
	var out []map[string]any
	for _, kind := range kinds {
		k := maps.Clone(all[kind])
		k["kid"], k["use"] = kind, "sig"
		out = append(out, k)
	}
	return out
}

func keySet(keys ...map[string]any) []byte {
	out, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return out
}

func publicPEM(t *testing.T, k crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// token signs claims, each of which may replace a good one or, by nil, take it away; of the header likewise.
func foreignToken(t *testing.T, m jwt.SigningMethod, key any, head, change map[string]any) string {
	t.Helper()
	claims := jwt.MapClaims{
		"iss": "https://app.example", "aud": "chat", "sub": "ann", "name": "Ann", "picture": "https://app.example/ann.png",
		"iat": noon.Unix(), "exp": noon.Add(time.Minute).Unix(),
	}
	for name, v := range change {
		if claims[name] = v; v == nil {
			delete(claims, name)
		}
	}
	tok := jwt.NewWithClaims(m, claims)
	for name, v := range head {
		tok.Header[name] = v
	}
	text, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func judges(t *testing.T, keys ForeignKeys) *Foreigns {
	t.Helper()
	f, err := NewForeigns([]ForeignIssuer{{
		Issuer: "https://app.example", Audience: "chat", Keys: keys, Subject: "sub", Name: "name", Picture: "picture", Provide: true, Leeway: 5 * time.Second,
	}}, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func fixed(t *testing.T) func(FixedKeys, error) FixedKeys {
	return func(k FixedKeys, err error) FixedKeys {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

// TestForeignAlgorithms: each algorithm by each source of keys, and no algorithm by a key of another.
func TestForeignAlgorithms(t *testing.T) {
	s := makeSigners()
	must := fixed(t)
	set := must(KeySet(keySet(s.webKeys("rsa", "ec", "ed")...)))
	methods := map[string]struct {
		method jwt.SigningMethod
		key    any
		own    FixedKeys
	}{
		"secret": {jwt.SigningMethodHS256, s.secret, must(SharedSecret(s.secret))},
		"rsa":    {jwt.SigningMethodRS256, s.rsa, must(PublicPEM(publicPEM(t, &s.rsa.PublicKey)))},
		"ec":     {jwt.SigningMethodES256, s.ec, must(PublicPEM(publicPEM(t, &s.ec.PublicKey)))},
		"ed":     {jwt.SigningMethodEdDSA, s.ed, must(PublicPEM(publicPEM(t, publicOf(s.ed))))},
	}
	for signed, m := range methods {
		token := foreignToken(t, m.method, m.key, map[string]any{"kid": signed}, nil)
		for name, keys := range methods {
			v, err := judges(t, keys.own).Judge(token)
			if (err == nil) != (name == signed) || err != nil && chat.KindOf(err) != chat.Unauthenticated {
				t.Errorf("signed by %s, judged by %s: %+v, %v", signed, name, v, err)
			}
			want := chat.Vouched{Identity: chat.Identity{Issuer: "https://app.example", Subject: "ann"}, Name: "Ann", Picture: "https://app.example/ann.png", Provide: true}
			if err == nil && v != want {
				t.Errorf("%s: %+v", signed, v)
			}
		}
		if _, err := judges(t, set).Judge(token); (err == nil) != (signed != "secret") {
			t.Errorf("signed by %s, judged by a set: %v", signed, err)
		}
	}
}

// TestForeignSubjectsAsOwnIDs: where an issuer's subjects are the application's own ids, its tokens vouch for the users of those.
func TestForeignSubjectsAsOwnIDs(t *testing.T) {
	s := makeSigners()
	f, err := NewForeigns([]ForeignIssuer{{
		Issuer: "https://app.example", Audience: "chat", Keys: fixed(t)(SharedSecret(s.secret)), Subject: "sub", External: true,
	}}, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Judge(foreignToken(t, jwt.SigningMethodHS256, s.secret, nil, nil))
	if err != nil || v.Identity != chat.External("ann") || v.Username() != chat.External("ann").Username() {
		t.Errorf("it vouches for %+v, %v", v, err)
	}
}

// TestForeignTokens: what a token of a known key must be, besides signed.
func TestForeignTokens(t *testing.T) {
	s := makeSigners()
	f := judges(t, fixed(t)(KeySet(keySet(s.webKeys("rsa", "ec")...))))
	sign := func(head, change map[string]any) string {
		h := map[string]any{"kid": "rsa"}
		maps.Copy(h, head)
		return foreignToken(t, jwt.SigningMethodRS256, s.rsa, h, change)
	}
	claim := func(name string, v any) string { return sign(nil, map[string]any{name: v}) }
	header := func(name string, v any) string { return sign(map[string]any{name: v}, nil) }
	at := func(d time.Duration) int64 { return noon.Add(d).Unix() }
	good := claim("sub", "ann")
	head, rest, _ := strings.Cut(good, ".")
	twice := func(body string) string {
		tok := b64([]byte(`{"alg":"RS256","kid":"rsa"}`)) + "." + b64([]byte(body))
		sig, err := jwt.SigningMethodRS256.Sign(tok, s.rsa)
		if err != nil {
			t.Fatal(err)
		}
		return tok + "." + b64(sig)
	}
	body := fmt.Sprintf(`"iss":"https://app.example","aud":"chat","exp":%d`, at(time.Minute))
	const bad, late = chat.Unauthenticated, chat.TokenExpired
	for name, tt := range map[string]struct {
		token   string
		want    chat.Kind
		subject string // where it is good
	}{
		"good":                {good, 0, "ann"},
		"audiences":           {claim("aud", []string{"x", "chat"}), 0, "ann"},
		"a number as subject": {claim("sub", 9007199254740993), 0, "9007199254740993"},
		"255 bytes":           {claim("sub", strings.Repeat("x", 255)), 0, strings.Repeat("x", 255)},
		"within the leeway":   {claim("exp", at(-4*time.Second)), 0, "ann"},
		"nbf in the leeway":   {claim("nbf", at(4*time.Second)), 0, "ann"},
		"a key brought along": {header("jwk", s.webKeys("ec")[0]), 0, "ann"}, // it is ignored

		"no audience":      {claim("aud", nil), bad, ""},
		"empty audience":   {claim("aud", ""), bad, ""},
		"another audience": {claim("aud", "chats"), bad, ""},
		"no issuer":        {claim("iss", nil), bad, ""},
		"another issuer":   {claim("iss", "https://app.example/"), bad, ""},
		"issuers":          {claim("iss", []string{"https://app.example"}), bad, ""},
		"expired":          {claim("exp", at(-time.Minute)), late, ""},
		"expired, another": {sign(nil, map[string]any{"exp": at(-time.Minute), "aud": "x"}), bad, ""},
		"never expires":    {claim("exp", nil), bad, ""},
		"exp is a text":    {claim("exp", "tomorrow"), bad, ""},
		"exp is huge":      {twice(`{` + body[:strings.LastIndex(body, ":")] + `:1e400,"sub":"ann"}`), bad, ""},
		"nbf tomorrow":     {claim("nbf", at(24*time.Hour)), bad, ""},
		"iat tomorrow":     {sign(nil, map[string]any{"iat": at(24 * time.Hour), "exp": at(25 * time.Hour)}), bad, ""},
		"no subject":       {claim("sub", nil), bad, ""},
		"empty subject":    {claim("sub", ""), bad, ""},
		"300 bytes":        {claim("sub", strings.Repeat("x", 300)), bad, ""},
		"NUL":              {claim("sub", "a\x00b"), bad, ""},
		"line end":         {claim("sub", "a\n"), bad, ""},
		"half a surrogate": {twice(`{` + body + `,"sub":"\ud800"}`), bad, ""},
		"a fraction":       {claim("sub", 1.5), bad, ""},
		"below 0":          {claim("sub", -1), bad, ""},
		"an object":        {claim("sub", map[string]any{"id": 1}), bad, ""},
		"subject twice":    {twice(`{` + body + `,"sub":"ann","sub":"bob"}`), bad, ""},
		"Subject":          {twice(`{` + body + `,"sub":"ann","Sub":"bob"}`), bad, ""},

		"crit":              {header("crit", []string{"exp"}), bad, ""},
		"crit is empty":     {header("crit", []string{}), bad, ""},
		"unknown kid":       {header("kid", "other"), bad, ""},
		"kid with a path":   {header("kid", "../../../../dev/null"), bad, ""},
		"kid with an SQL":   {header("kid", "rsa' OR 1=1 -- "), bad, ""},
		"kid is an address": {header("kid", "http://127.0.0.1/"), bad, ""},
		"kid is a number":   {header("kid", 1), bad, ""},
		"kid is empty":      {header("kid", ""), bad, ""},
		"another key's kid": {header("kid", "ec"), bad, ""},
		"no kid among two":  {foreignToken(t, jwt.SigningMethodRS256, s.rsa, nil, nil), bad, ""},
		"another key":       {foreignToken(t, jwt.SigningMethodES256, s.ec, map[string]any{"kid": "rsa"}, nil), bad, ""},
		"none":              {foreignToken(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, map[string]any{"kid": "rsa"}, nil), bad, ""},
		"None":              {b64([]byte(`{"alg":"None","kid":"rsa"}`)) + "." + strings.Split(rest, ".")[0] + ".", bad, ""},
		"RS512":             {foreignToken(t, jwt.SigningMethodRS512, s.rsa, map[string]any{"kid": "rsa"}, nil), bad, ""},
		"PS256":             {foreignToken(t, jwt.SigningMethodPS256, s.rsa, map[string]any{"kid": "rsa"}, nil), bad, ""},
		"HS256 by the PEM":  {foreignToken(t, jwt.SigningMethodHS256, publicPEM(t, &s.rsa.PublicKey), map[string]any{"kid": "rsa"}, nil), bad, ""},
		"HS256 by n":        {foreignToken(t, jwt.SigningMethodHS256, s.rsa.N.Bytes(), map[string]any{"kid": "rsa"}, nil), bad, ""},
		"two tokens":        {good + "." + good, bad, ""},
		"two, with a comma": {good + "," + good, bad, ""},
		"Bearer":            {"Bearer " + good, bad, ""},
		"line end within":   {head + "\n." + rest, bad, ""},
		"padding":           {head + "=." + rest, bad, ""},
		"another signature": {good[:len(good)-4] + "AAAA", bad, ""},
		"no signature":      {good[:strings.LastIndex(good, ".")+1], bad, ""},
		"five parts":        {good + ".x.y", bad, ""},
		"empty":             {"", bad, ""},
		"dots":              {strings.Repeat(".", 9000), bad, ""},
		"100 KiB":           {claim("more", strings.Repeat("x", 100<<10)), bad, ""},
		"a byte too long":   {good + strings.Repeat("A", MaxForeignBytes+1-len(good)), bad, ""},
		"not JSON":          {b64([]byte("{")) + "." + rest, bad, ""},
		"claims are a list": {twice(`[1]`), bad, ""},
		"ours":              {issue(t, options(keyNew)), bad, ""},
	} {
		v, err := f.Judge(tt.token)
		switch {
		case tt.want == 0 && (err != nil || v.Subject != tt.subject):
			t.Errorf("%s: %+v, %v", name, v, err)
		case tt.want != 0 && (err == nil || chat.KindOf(err) != tt.want):
			t.Errorf("%s: %+v, %v, want %s", name, v, err, tt.want)
		}
		if err != nil && len(tt.token) > 40 && strings.Contains(err.Error(), tt.token[:40]) {
			t.Errorf("%s: the error holds the token", name)
		}
	}
}

// TestForeignKeysThatAreNotTaken: weak and strange keys, and sets without a bound.
func TestForeignKeysThatAreNotTaken(t *testing.T) {
	s := makeSigners()
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	with := func(kind, name string, v any) map[string]any {
		k := s.webKeys(kind)[0]
		k[name] = v
		return k
	}
	many := func(n int) (keys []map[string]any) {
		for i := range n {
			keys = append(keys, with("ed", "kid", fmt.Sprint(i)))
		}
		return keys
	}
	one := publicPEM(t, publicOf(s.ed))
	for name, tt := range map[string]struct {
		read func([]byte) (FixedKeys, error)
		data []byte
		says string // "": it is taken
	}{
		"32 bytes":           {SharedSecret, s.secret, ""},
		"31 bytes":           {SharedSecret, s.secret[1:], "31 bytes"},
		"no secret":          {SharedSecret, nil, "0 bytes"},
		"PEM":                {PublicPEM, one, ""},
		"short RSA":          {PublicPEM, publicPEM(t, &short.PublicKey), "1024 bits"},
		"P-384":              {PublicPEM, publicPEM(t, &curve.PublicKey), "P-256"},
		"two keys":           {PublicPEM, append(bytes.Clone(one), one...), "not one PUBLIC KEY"},
		"private":            {PublicPEM, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), "not one PUBLIC KEY"},
		"a text":             {PublicPEM, []byte("x"), "not one PUBLIC KEY"},
		"100 keys":           {KeySet, keySet(many(100)...), ""},
		"101 keys":           {KeySet, keySet(many(101)...), "101 keys"},
		"more than 1 MiB":    {KeySet, bytes.Repeat([]byte(" "), 1<<20+1), "more than"},
		"no set":             {KeySet, []byte("<html>"), "no JSON Web Key Set"},
		"an empty set":       {KeySet, keySet(), "no key that can be used"},
		"another use":        {KeySet, keySet(with("rsa", "use", "enc")), "no key that can be used"},
		"not to verify":      {KeySet, keySet(with("rsa", "key_ops", []string{"sign"})), "no key that can be used"},
		"another algorithm":  {KeySet, keySet(with("rsa", "alg", "RS512")), "another algorithm"},
		"private in a set":   {KeySet, keySet(with("ed", "d", "x")), "private"},
		"a secret in a set":  {KeySet, keySet(map[string]any{"kty": "oct", "k": b64(s.secret)}), "another kind"},
		"short RSA in a set": {KeySet, keySet(with("rsa", "n", b64(short.N.Bytes()))), "1024 bits"},
		"exponent 1":         {KeySet, keySet(with("rsa", "e", b64([]byte{1}))), "exponent"},
		"exponent too long":  {KeySet, keySet(with("rsa", "e", b64([]byte{255, 255, 255, 255}))), "exponent"},
		"not on the curve":   {KeySet, keySet(with("ec", "y", b64(make([]byte, 32)))), "no key that can be used"},
		"short coordinate":   {KeySet, keySet(with("ec", "x", b64(make([]byte, 31)))), "incomplete"},
		"Ed25519, 31 bytes":  {KeySet, keySet(with("ed", "x", b64(make([]byte, 31)))), "incomplete"},
		"strange beside one": {KeySet, keySet(map[string]any{"kty": "new"}, with("ed", "alg", "EdDSA")), ""},
		"kid is a number":    {KeySet, keySet(with("ed", "kid", 1)), "can't be read"},
	} {
		k, err := tt.read(tt.data)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
		if err == nil && len(k.keys) == 0 {
			t.Errorf("%s: no keys", name)
		}
	}
}
