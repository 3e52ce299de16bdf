package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"chat-service/internal/chat"
)

var (
	noon   = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	keyNew = Key{ID: "new", Secret: []byte("Vq7hT0yRk3sL9xZbE1nM5cJd8uWfGp2A")}
	keyOld = Key{ID: "old", Secret: []byte("b8Xn2Lw0PzQ6vRt4YkM1sJ7dHc5GfE9u")}
)

func options(keys ...Key) TokenOptions {
	return TokenOptions{Keys: keys, Issuer: "chat-service", Audience: "chat-service", Lifetime: time.Hour, Leeway: 5 * time.Second}
}

func issue(tb testing.TB, o TokenOptions) string {
	tb.Helper()
	i, err := NewIssuer(o)
	if err != nil {
		tb.Fatal(err)
	}
	token, lifetime, err := i.Issue(42, "s1", noon)
	if err != nil || lifetime != o.Lifetime {
		tb.Fatalf("Issue = %v, %v", lifetime, err)
	}
	return token
}

func verifier(tb testing.TB, at time.Time, o TokenOptions) *Verifier {
	tb.Helper()
	v, err := NewVerifier(o, func() time.Time { return at })
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// sign makes a token of any header and claims with any HMAC.
func sign(header, body string, secret []byte, h func() hash.Hash) string {
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(header)) + "." + b64([]byte(body))
	mac := hmac.New(h, secret)
	mac.Write([]byte(text))
	return text + "." + b64(mac.Sum(nil))
}

const goodHeader = `{"alg":"HS256","typ":"JWT","kid":"new"}`

// body is a set of claims that is right but for the replacements: pairs of old and new text.
func body(replace ...string) string {
	s := fmt.Sprintf(`{"iss":"chat-service","sub":"42","aud":["chat-service"],"exp":%d,"iat":%d,"typ":"access","sid":"s1"}`,
		noon.Add(time.Hour).Unix(), noon.Unix())
	return strings.NewReplacer(replace...).Replace(s)
}

func TestIssueVerify(t *testing.T) {
	o := options(keyNew)
	got, err := verifier(t, noon, o).Verify(issue(t, o))
	want := Claims{UserID: 42, SessionID: "s1", ExpiresAt: noon.Add(time.Hour)}
	if err != nil || got.UserID != want.UserID || got.SessionID != want.SessionID || !got.ExpiresAt.Equal(want.ExpiresAt) {
		t.Errorf("Verify = %+v, %v", got, err)
	}
	if got, err := verifier(t, noon, o).Verify(sign(goodHeader, body(), keyNew.Secret, sha256.New)); err != nil || got.UserID != 42 {
		t.Errorf("the tests' own token: %+v, %v: the cases below would prove nothing", got, err)
	}
}

// TestVerifyRefuses holds the attacks J-1, J-2, J-4, J-5, J-7 and J-8 on JSON web tokens.
func TestVerifyRefuses(t *testing.T) {
	hs256 := func(header, body string) string { return sign(header, body, keyNew.Secret, sha256.New) }
	good := hs256(goodHeader, body())
	part := strings.Split(good, ".")
	withKid := func(kid string) string { return hs256(strings.Replace(goodHeader, `"new"`, kid, 1), body()) }
	exp := fmt.Sprintf(`"exp":%d,`, noon.Add(time.Hour).Unix())
	for name, token := range map[string]string{
		"J-1 alg none":            part[0] + "." + part[1] + ".",
		"J-1 alg none, unsigned":  sign(`{"alg":"none","kid":"new"}`, body(), nil, sha256.New),
		"J-1 none without sum":    base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"new"}`)) + "." + part[1] + ".",
		"J-1 HS512":               sign(strings.Replace(goodHeader, "HS256", "HS512", 1), body(), keyNew.Secret, sha512.New),
		"J-1 HS384":               sign(strings.Replace(goodHeader, "HS256", "HS384", 1), body(), keyNew.Secret, sha512.New384),
		"J-1 RS256":               hs256(strings.Replace(goodHeader, "HS256", "RS256", 1), body()),
		"J-1 lower case":          hs256(strings.Replace(goodHeader, "HS256", "hs256", 1), body()),
		"J-1 no alg":              hs256(`{"kid":"new"}`, body()),
		"J-2 no exp":              hs256(goodHeader, body(exp, "")),
		"J-2 null exp":            hs256(goodHeader, body(exp, `"exp":null,`)),
		"J-2 text exp":            hs256(goodHeader, body(exp, `"exp":"never",`)),
		"J-3 empty key":           sign(goodHeader, body(), nil, sha256.New),
		"J-4 iss":                 hs256(goodHeader, body(`"iss":"chat-service"`, `"iss":"other"`)),
		"J-4 no iss":              hs256(goodHeader, body(`"iss":"chat-service",`, "")),
		"J-4 aud":                 hs256(goodHeader, body(`["chat-service"]`, `["other"]`)),
		"J-4 no aud":              hs256(goodHeader, body(`"aud":["chat-service"],`, "")),
		"J-4 typ":                 hs256(goodHeader, body(`"typ":"access"`, `"typ":"refresh"`)),
		"J-4 no typ":              hs256(goodHeader, body(`"typ":"access",`, "")),
		"J-4 no session":          hs256(goodHeader, body(`"s1"`, `""`)),
		"user zero":               hs256(goodHeader, body(`"42"`, `"0"`)),
		"user not a number":       hs256(goodHeader, body(`"42"`, `"root"`)),
		"user with a sign":        hs256(goodHeader, body(`"42"`, `"+42"`)),
		"user above 2^53":         hs256(goodHeader, body(`"42"`, `"9007199254740993"`)),
		"J-5 kid is a path":       withKid(`"../../dev/null"`),
		"J-5 kid is SQL":          withKid(`"' UNION SELECT 'x"`),
		"J-5 kid is a URL":        withKid(`"https://evil.example/key"`),
		"J-5 kid is a number":     withKid(`1`),
		"J-5 kid is empty":        withKid(`""`),
		"J-5 no kid":              hs256(`{"alg":"HS256"}`, body()),
		"J-5 key in the header":   sign(`{"alg":"HS256","jwk":{"kty":"oct","k":"eA"},"jku":"https://evil.example","x5u":"https://evil.example"}`, body(), []byte("x"), sha256.New),
		"J-7 1 MiB":               strings.Repeat("a", 1<<20),
		"J-7 dots":                strings.Repeat(".", 1000),
		"J-7 1 MiB of dots":       strings.Repeat(".", 1<<20),
		"J-7 long and right":      hs256(goodHeader, body(`"s1"`, `"`+strings.Repeat("s", MaxTokenBytes)+`"`)),
		"J-8 flipped signature":   good[:len(good)-5] + flip(good[len(good)-5]) + good[len(good)-4:],
		"J-8 last letter's slack": good[:len(good)-1] + slack(good[len(good)-1]),
		"J-8 changed claims":      part[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(body(`"42"`, `"43"`))) + "." + part[2],
		"J-8 trailing letter":     good + "A",
		"J-8 trailing part":       good + ".AAAA",
		"J-8 trailing line end":   good + "\n",
		"J-8 inner line end":      good[:len(good)-5] + "\r\n" + good[len(good)-5:],
		"J-8 blank before":        " " + good,
		"J-8 padded":              good + "=",
		"J-8 other alphabet":      part[0] + "." + part[1] + "." + strings.Repeat("+/", 21) + "A",
		"J-8 data after claims":   hs256(goodHeader, body()+"{}"),
		"J-8 claim twice":         hs256(goodHeader, body(`"sub":"42"`, `"sub":"1","sub":"42"`)),
		"J-8 claim in two cases":  hs256(goodHeader, body(`"sub":"42"`, `"SUB":"1","sub":"42"`)),
		"J-8 escaped claim":       hs256(goodHeader, body(`"sub":"42"`, `"su\u0062":"1","sub":"42"`)),
		"J-8 header twice":        hs256(`{"alg":"none","alg":"HS256","kid":"new"}`, body()),
		"empty":                   "",
		"two dots":                "..",
		"no JSON":                 hs256("x", "y"),
		"claims null":             hs256(goodHeader, "null"),
		"claims a list":           hs256(goodHeader, "[]"),
		"a refresh token":         func() string { token, _ := NewRefresh(); return token }(),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := verifier(t, noon, options(keyNew)).Verify(token)
			if chat.KindOf(err) != chat.Unauthenticated || got != (Claims{}) {
				t.Errorf("Verify = %+v, %v; want unauthenticated", got, err)
			}
		})
	}
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// slack changes the bits of a signature's last letter that carry nothing.
func slack(c byte) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(letters[strings.IndexByte(letters, c)^1])
}

func TestVerifyTime(t *testing.T) {
	o := options(keyNew)
	good := issue(t, o)
	foreign := sign(goodHeader, body(`["chat-service"]`, `["other"]`), keyNew.Secret, sha256.New)
	refresh := sign(goodHeader, body(`"access"`, `"refresh"`), keyNew.Secret, sha256.New)
	nbf := fmt.Sprintf(`"nbf":%d,`, noon.Add(10*time.Minute).Unix())
	later := sign(goodHeader, body(`"typ"`, nbf+`"typ"`), keyNew.Secret, sha256.New)
	const fine = chat.Kind(255)
	for name, tt := range map[string]struct {
		token string
		after time.Duration
		want  chat.Kind
	}{
		"just before":         {good, time.Hour - time.Second, fine},
		"within leeway":       {good, time.Hour + 4*time.Second, fine},
		"after leeway":        {good, time.Hour + 6*time.Second, chat.TokenExpired},
		"clock behind":        {good, -4 * time.Second, fine},
		"clock far behind":    {good, -time.Minute, fine},
		"issued tomorrow":     {sign(goodHeader, body(fmt.Sprintf(`"iat":%d`, noon.Unix()), fmt.Sprintf(`"iat":%d`, noon.Add(24*time.Hour).Unix())), keyNew.Secret, sha256.New), 0, fine},
		"not valid yet":       {later, 0, chat.TokenExpired},
		"valid by now":        {later, 10 * time.Minute, fine},
		"not yet, wrong aud":  {sign(goodHeader, body(`"typ"`, nbf+`"typ"`, `["chat-service"]`, `["other"]`), keyNew.Secret, sha256.New), 0, chat.Unauthenticated},
		"expired, wrong aud":  {foreign, 2 * time.Hour, chat.Unauthenticated},
		"expired, wrong typ":  {refresh, 2 * time.Hour, chat.Unauthenticated},
		"expired, bad letter": {good + "A", 2 * time.Hour, chat.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verifier(t, noon.Add(tt.after), o).Verify(tt.token)
			if err == nil && tt.want != fine || err != nil && chat.KindOf(err) != tt.want {
				t.Errorf("Verify = %v, want kind %v", err, tt.want)
			}
		})
	}
}

// TestRotation is J-6: during the overlap both keys' tokens are good, after it only the new one's.
func TestRotation(t *testing.T) {
	before, overlap, after := options(keyOld), options(keyNew, keyOld), options(keyNew)
	old, fresh := issue(t, before), issue(t, overlap)
	for name, tt := range map[string]struct {
		o     TokenOptions
		token string
		ok    bool
	}{
		"overlap, old":               {overlap, old, true},
		"overlap, new":               {overlap, fresh, true},
		"after, old":                 {after, old, false},
		"after, new":                 {after, fresh, true},
		"before, new":                {before, fresh, false},
		"old key under the new name": {overlap, sign(goodHeader, body(), keyOld.Secret, sha256.New), false},
	} {
		if _, err := verifier(t, noon, tt.o).Verify(tt.token); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTokenOptions is J-3 and its like: what would sign or verify too much does not start.
func TestTokenOptions(t *testing.T) {
	for name, change := range map[string]func(*TokenOptions){
		"no keys":      func(o *TokenOptions) { o.Keys = nil },
		"empty secret": func(o *TokenOptions) { o.Keys = []Key{{ID: "a"}} },
		"no id":        func(o *TokenOptions) { o.Keys = []Key{{Secret: []byte("x")}} },
		"same id":      func(o *TokenOptions) { o.Keys = []Key{keyNew, keyNew} },
		"no issuer":    func(o *TokenOptions) { o.Issuer = "" },
		"no audience":  func(o *TokenOptions) { o.Audience = "" },
		"no lifetime":  func(o *TokenOptions) { o.Lifetime = 0 },
		"leeway":       func(o *TokenOptions) { o.Leeway = time.Minute },
	} {
		o := options(keyNew)
		change(&o)
		if _, err := NewVerifier(o, nil); err == nil {
			t.Errorf("%s: NewVerifier took it", name)
		}
		if _, err := NewTokens(o); err == nil {
			t.Errorf("%s: NewTokens took it", name)
		}
	}
}

func TestTokens(t *testing.T) {
	tokens, err := NewTokens(options(keyNew))
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := tokens.Issue(7, "s2")
	if err != nil {
		t.Fatal(err)
	}
	if user, session, err := tokens.Verify(token); user != 7 || session != "s2" || err != nil {
		t.Errorf("Verify = %v, %v, %v", user, session, err)
	}
}

func TestNewRefresh(t *testing.T) {
	a, hashA := NewRefresh()
	b, _ := NewRefresh()
	raw, err := base64.RawURLEncoding.DecodeString(a)
	if err != nil || len(raw) != 32 || a == b {
		t.Errorf("NewRefresh = %q, %q: want different tokens of 256 bits", a, b)
	}
	if HashRefresh(a) != hashA || HashRefresh(b) == hashA {
		t.Error("HashRefresh does not find the token again")
	}
}

func FuzzVerify(f *testing.F) {
	o := options(keyNew)
	good := issue(f, o)
	v := verifier(f, noon, o)
	for _, seed := range []string{good, "", "..", good + "=", sign(`{"alg":"none"}`, body(), nil, sha256.New), strings.Repeat(".", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		c, err := v.Verify(token)
		switch {
		case err == nil && token != good && !strings.HasSuffix(token, mac(token)):
			t.Errorf("%q is taken for user %v without our signature", token, c.UserID)
		case err != nil && chat.KindOf(err) != chat.Unauthenticated && chat.KindOf(err) != chat.TokenExpired:
			t.Errorf("%q: %v is of no kind a token may have", token, err)
		}
	})
}

// mac is the signature that a token of keyNew must end with.
func mac(token string) string {
	text := token[:max(strings.LastIndexByte(token, '.'), 0)]
	m := hmac.New(sha256.New, keyNew.Secret)
	m.Write([]byte(text))
	return "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// FuzzRepeats compares the look for repeated names with one by a JSON decoder.
func FuzzRepeats(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1,"b":{"a":2,"a":3},"c":["a","a",{"a":0,"b":0}]}`, `{"a":"b","b":"a"}`, `{"a":1,"A":2}`, `{ "k" : "\",\"k\":" , "K" : [ ] }`,
		`{"a":"\\","a":1}`, `{"\u0061":1,"b":2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var object map[string]json.RawMessage
		if json.Unmarshal(data, &object) != nil || object == nil || !utf8.Valid(data) {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		_, _ = dec.Token() // the brace
		want := false
		var names []string
		for dec.More() {
			begin := dec.InputOffset()
			name, _ := dec.Token()
			written := string(data[begin:dec.InputOffset()])
			same := func(n string) bool { return strings.EqualFold(n, name.(string)) }
			want = want || strings.Contains(written, `\`) || slices.ContainsFunc(names, same)
			names = append(names, name.(string))
			var skip json.RawMessage
			if err := dec.Decode(&skip); err != nil {
				t.Fatal(err)
			}
		}
		if got := repeats(data); got != want {
			t.Errorf("repeats(%s) = %v, want %v", data, got, want)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	o := options(keyNew)
	token, v := issue(b, o), verifier(b, noon, o)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}
