//go:build e2e

package attacks

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"chat-service/internal/test/testkit"
)

// worthless checks that a token opens nothing, neither by REST nor at a socket.
func (a *attack) worthless(what, token string) {
	a.Helper()
	a.refused(a.api, 401, "unauthenticated", "GET", "/me", token, nil)
	s := testkit.Dial(a, a.WS(1), "", testkit.TokenInFrame())
	s.Send(a, obj{"type": "auth", "token": token})
	if code, reason := s.Closed(a); code != 4500 {
		a.Errorf("%s: a socket closes with %d %s, want 4500", what, code, reason)
	}
}

func otherAlgorithms(a *attack) {
	u := a.users(1)[0]
	header, claims := a.opened(u.Token)
	parts := strings.Split(u.Token, ".")
	with := func(alg any) string {
		header["alg"] = alg
		return sign(header, claims, []byte(a.Secret))
	}
	for _, alg := range []any{"none", "None", "nOnE", "NONE", "", "hs256", "Hs256", "HS512", "HS384", "RS256", "ES256", "PS256", "EdDSA", nil, 7, []string{"HS256"}} {
		token := with(alg)
		a.worthless(fmt.Sprint("alg ", alg), token)
		a.worthless(fmt.Sprint("alg ", alg, " without a signature"), token[:strings.LastIndexByte(token, '.')+1])
	}
	header["alg"] = "HS512"
	text := strings.TrimSuffix(sign(header, claims, nil), strings.Split(sign(header, claims, nil), ".")[2])
	mac := hmac.New(sha512.New, []byte(a.Secret))
	mac.Write([]byte(strings.TrimSuffix(text, ".")))
	a.worthless("HS512 with the right key", text+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
	a.worthless("no signature", parts[0]+"."+parts[1]+".")
	a.worthless("signed with an empty key", sign(header, claims, nil))
	a.api.Must(a, 200, "GET", "/me", u.Token, nil)
}

func withoutEnd(a *attack) {
	u := a.users(1)[0]
	a.worthless("no exp", a.forged(u, nil, obj{"exp": nil}))
	a.worthless("exp as a list", a.forged(u, nil, obj{"exp": []int{9999999999}}))
	for _, exp := range []any{0, -1, 1} {
		r := a.ask(a.api, request{method: "GET", path: "/me", token: a.forged(u, nil, obj{"exp": exp})})
		if r.Status != 401 {
			a.Errorf("exp %v: %d", exp, r.Status)
		}
	}
	a.worthless("nbf of another type", a.forged(u, nil, obj{"nbf": "tomorrow"}))
}

// releaseEnv is what an installation in release mode sets.
func releaseEnv() []string {
	return []string{
		"CHAT_SERVER_MODE=release", "CHAT_JWT_SECRET=pT9x-Wq2vLm7ZkR4dYc8HnB3sFj6GuEa1oXiQ5tV",
		"CHAT_RABBITMQ_URL=amqp://chat:Kq7-vX2pLm9wZt@localhost:5672/", "CHAT_DATABASE_USER=chat", "CHAT_DATABASE_PASSWORD=Kq7-vX2pLm9wZt",
	}
}

// refusesToStart checks that a program won't run like this, and why.
func (a *attack) refusesToStart(program string, words []string, env ...string) {
	a.Helper()
	said, ok := a.configured(program, "", env...)
	if ok {
		a.Errorf("%s is content with %v", program, env)
	}
	for _, word := range words {
		if !strings.Contains(said, word) {
			a.Errorf("%s with %v says %q, and nothing of %q", program, env, said, word)
		}
	}
}

func weakKeys(a *attack) {
	for _, program := range []string{"api", "gateway"} {
		for _, secret := range []string{
			"secret", "changeme", "your-secret-key", "your-256-bit-secret-your-256-bit-secret", "development-only-secret-never-use-it-in-release",
			"Zk3-short", "abcdefghabcdefghabcdefghabcdefgh", strings.Repeat("a", 64), "abcdefghijklmnopqrstuvwxyzabcdefghijkl", "secretsecretsecretsecretsecretsecretsecret",
		} {
			a.refusesToStart(program, []string{"secret"}, append(releaseEnv(), "CHAT_JWT_SECRET="+secret)...)
		}
		a.refusesToStart(program, []string{"secret"}, "CHAT_JWT_SECRET=") // in any mode: the algorithm itself takes an empty key
		a.refusesToStart(program, []string{"keys"}, append(releaseEnv(), "CHAT_JWT_KEYS=old=changeme")...)
		if said, ok := a.configured(program, "", releaseEnv()...); !ok {
			a.Errorf("%s refuses a good secret: %s", program, said)
		}
	}
}

func otherPurposes(a *attack) {
	u := a.users(1)[0]
	for what, claims := range map[string]obj{
		"iss": {"iss": "another service"}, "aud": {"aud": []string{"another service"}}, "no iss": {"iss": nil}, "no aud": {"aud": nil},
		"typ": {"typ": "refresh"}, "no typ": {"typ": nil}, "typ in capitals": {"typ": "ACCESS"}, "no sid": {"sid": nil}, "empty sid": {"sid": ""},
		"no sub": {"sub": nil}, "sub 0": {"sub": "0"}, "sub 00": {"sub": "0" + fmt.Sprint(u.ID)}, "sub as a number": {"sub": u.ID}, "sub beyond": {"sub": "9007199254740992"},
	} {
		a.worthless(what, a.forged(u, nil, claims))
	}
	a.worthless("a refresh token", u.Refresh)
	a.refused(a.api, 401, "unauthenticated", "POST", "/auth/refresh", "", obj{"refresh_token": u.Token})
	a.refused(a.api, 401, "unauthenticated", "POST", "/auth/refresh", u.Token, obj{"refresh_token": "made up"})
	a.api.Must(a, 200, "POST", "/auth/refresh", "", obj{"refresh_token": u.Refresh})
}

func keyNames(a *attack) {
	u := a.users(1)[0]
	h, c := a.opened(u.Token)
	for _, kid := range []any{"../../../../dev/null", "/dev/null", "' OR 1=1 --", "http://127.0.0.1/key", "2", "", 1, nil, []string{"1"}, strings.Repeat("1", 2000), "1\x00"} {
		h["kid"] = kid
		a.worthless(fmt.Sprintf("kid %v, an empty key", kid), sign(h, c, nil))
		if kid != nil {
			a.worthless(fmt.Sprintf("kid %v", kid), sign(h, c, []byte(a.Secret)))
		}
	}
	own := []byte("the attacker's own key, long enough")
	for _, name := range []string{"jku", "x5u", "jwk", "x5c"} {
		h, _ = a.opened(u.Token)
		h[name] = "http://127.0.0.1:1/keys"
		if name == "jwk" {
			h[name] = obj{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString(own)}
		}
		a.worthless(name, sign(h, c, own))
	}
}

func keyRotation(a *attack) {
	u := a.users(1)[0]
	both, after := a.API(5), a.API(6)
	for range 20 { // the overlap: nobody notices
		both.Must(a, 200, "GET", "/me", u.Token, nil)
	}
	fresh := both.Login(a, u.Username, u.Password, "during the rotation")
	if h, _ := a.opened(fresh.Token); h.Str("kid") != "2" {
		a.Errorf("a new token names key %q", h.Str("kid"))
	}
	after.Must(a, 200, "GET", "/me", fresh.Token, nil)
	a.refused(after, 401, "unauthenticated", "GET", "/me", u.Token, nil)
	a.refused(a.api, 401, "unauthenticated", "GET", "/me", fresh.Token, nil)
}

func longTokens(a *attack) {
	u := a.users(1)[0]
	for what, token := range map[string]string{
		"a megabyte": strings.Repeat("x", 1<<20), "dots": strings.Repeat(".", 8000), "a megabyte of dots": strings.Repeat(".", 1<<20),
		"parts": strings.Repeat("e30.", 2000), "a long header": strings.Repeat("A", 7000) + ".e30.x",
	} {
		a.within(2*time.Second, what, func() {
			answer, _ := a.wire(hostOf(a.api.Base), "GET /api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "+token+"\r\n\r\n", patience)
			if !strings.HasPrefix(answer, "HTTP/1.1 401 ") && !strings.HasPrefix(answer, "HTTP/1.1 431 ") {
				a.Errorf("%s is answered by %s, want 401 or 431", what, brief(answer))
			}
		})
		a.within(2*time.Second, what+" at a gateway", func() {
			answer, _ := a.wire(hostOf(a.WS(1)), "GET /api/v1/ws?token="+token+" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 5*time.Second)
			if !strings.HasPrefix(answer, "HTTP/1.1 431 ") && !strings.Contains(answer, `"code":4500`) {
				a.Errorf("%s at a gateway is answered by %s, want 431 or 4500", what, brief(answer))
			}
		})
	}
	many := http.Header{"Authorization": {"Bearer " + u.Token, "Bearer " + u.Token}}
	a.problem(a.ask(a.api, request{method: "GET", path: "/me", header: many}), 401, "unauthenticated", "two tokens")
}

func spoiltTokens(a *attack) {
	u := a.users(1)[0]
	header, payload, signature := split3(u.Token)
	flipped := []byte(signature)
	flipped[3] ^= 1
	_, c := a.opened(u.Token)
	twice := fmt.Sprintf(`{"sub":"1","sub":%q,"iss":"chat-service","aud":["chat-service"],"typ":"access","sid":%q,"exp":%d}`, c.Str("sub"), c.Str("sid"), c.Num("exp"))
	h, _ := a.opened(u.Token)
	for what, token := range map[string]string{
		"a flipped bit":       header + "." + payload + "." + string(flipped),
		"a trailing part":     u.Token + ".x",
		"trailing data":       u.Token + "x",
		"padding":             header + "." + payload + "." + signature + "=",
		"standard alphabet":   strings.NewReplacer("-", "+", "_", "/").Replace(u.Token) + "==",
		"spare bits":          header + "." + payload + "." + signature[:len(signature)-1] + next(signature[len(signature)-1]),
		"white space":         header + "." + payload + "\t." + signature,
		"claims twice":        sign(h, twice, []byte(a.Secret)),
		"header fields twice": sign(`{"alg":"HS256","alg":"HS256","kid":"1","typ":"JWT"}`, c, []byte(a.Secret)),
		"no object":           sign(h, `[]`, []byte(a.Secret)),
		"no JSON":             sign(h, `{`, []byte(a.Secret)),
		"another's claims":    header + "." + strings.Split(a.users(1)[0].Token, ".")[1] + "." + signature,
	} {
		a.worthless(what, token)
	}
}

func split3(token string) (one, two, three string) {
	parts := strings.Split(token, ".")
	return parts[0], parts[1], parts[2]
}

// next is a base64 digit that differs in its lowest bit: in the last digit of a signature that bit means nothing.
func next(digit byte) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(digits[strings.IndexByte(digits, digit)^1])
}

func refreshStored(a *attack) {
	u := a.users(1)[0]
	raw, err := base64.RawURLEncoding.DecodeString(u.Refresh)
	if err != nil || len(raw) < 32 {
		a.Errorf("a refresh token has %d bytes (%v), want 32 at least", len(raw), err)
	}
	if other := a.api.Login(a, u.Username, u.Password, "").Refresh; other == u.Refresh || strings.Contains(other, fmt.Sprint(u.ID)) {
		a.Error("refresh tokens can be guessed")
	}
	if n := a.number("SELECT COUNT(*) FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE s.user_id = ? AND t.hash = UNHEX(SHA2(?, 256))", u.ID, u.Refresh); n != 1 {
		if n = a.number("SELECT COUNT(*) FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE s.user_id = ? AND t.hash = UNHEX(SHA2(UNHEX(?), 256))", u.ID, hex.EncodeToString(raw)); n != 1 {
			a.Errorf("%d rows hold the token's SHA-256", n)
		}
	}
	a.canaries.add(u.Refresh, "a refresh token")
}

// refresh trades a token and returns its successor.
func (a *attack) refresh(api testkit.API, token string) string {
	a.Helper()
	return api.Must(a, 200, "POST", "/auth/refresh", "", obj{"refresh_token": token}).Str("refresh_token")
}

func refreshOnce(a *attack) {
	u := a.users(1)[0]
	seen := map[string]bool{u.Refresh: true}
	for token := u.Refresh; len(seen) < 5; {
		token = a.refresh(a.api, token)
		if seen[token] {
			a.Fatal("a refresh token comes twice")
		}
		seen[token] = true
	}
	if list := a.api.Must(a, 200, "GET", "/auth/sessions", u.Token, nil).List("sessions"); len(list) != 1 {
		a.Errorf("one login is %d sessions", len(list))
	}
}

func refreshReplayed(a *attack) {
	u := a.users(1)[0]
	other := a.api.Login(a, u.Username, u.Password, "another device")
	s, unharmed := a.dial(1, u), a.dial(2, other)
	next := a.refresh(a.strict, u.Refresh) // api-2 grants no grace
	a.refused(a.strict, 401, "unauthenticated", "POST", "/auth/refresh", "", obj{"refresh_token": u.Refresh})
	a.within(2*time.Second, "the end of a copied session's socket", func() { a.closed(s, 4502) })
	a.refused(a.strict, 401, "unauthenticated", "POST", "/auth/refresh", "", obj{"refresh_token": next})
	a.refused(a.api, 401, "unauthenticated", "GET", "/me", u.Token, nil)
	unharmed.Ping(a)
	if trail := a.Chatctl(a, "audit", "--user", fmt.Sprint(u.ID)); !strings.Contains(trail, "refresh_token_reused") {
		a.Errorf("the trail doesn't know of it:\n%s", trail)
	}
}

func refreshInParallel(a *attack) {
	u := a.users(1)[0]
	s := a.dial(1, u)
	got := make([]string, 20)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			r, err := tryAsk(a.Context(), a.API(1+2*(i%2)), request{method: "POST", path: "/auth/refresh", body: obj{"refresh_token": u.Refresh}})
			if err != nil || r.Status != 200 {
				a.Errorf("%d %v %s", r.Status, err, brief(string(r.Raw)))
			}
			got[i] = r.Body.Str("refresh_token")
		})
	}
	wg.Wait()
	for _, token := range got {
		if token != got[0] {
			a.Fatal("parallel refreshes with one token part ways")
		}
	}
	a.refresh(a.api, got[0])
	s.Ping(a)
}

func sessionsAge(a *attack) {
	us := a.users(2)
	for i, column := range []string{"expires_at", "absolute_at"} {
		u := us[i]
		life := a.number("SELECT TIMESTAMPDIFF(HOUR, created_at, "+column+") FROM sessions WHERE user_id = ?", u.ID)
		if want := []uint64{168, 720}[i]; life != want {
			a.Errorf("%s is %d hours after the login, want %d", column, life, want)
		}
		a.exec("UPDATE sessions SET "+column+" = UTC_TIMESTAMP(6) + INTERVAL 3 SECOND WHERE user_id = ?", u.ID)
		token := u.Refresh
		if column == "absolute_at" { // being used makes it no older than it may become
			token = a.refresh(a.api, token)
		}
		testkit.Eventually(a, 20*time.Second, func() (bool, string) {
			r := a.ask(a.api, request{method: "GET", path: "/me", token: u.Token})
			return r.Status == 401, fmt.Sprintf("%s is over, and the session's token is answered by %d", column, r.Status)
		})
		a.refused(a.api, 401, "unauthenticated", "POST", "/auth/refresh", "", obj{"refresh_token": token})
		a.closed(testkit.Dial(a, a.WS(1), u.Token), 4502)
	}
}

func logoutAll(a *attack) {
	u := a.users(1)[0]
	others := []user{u, a.api.Login(a, u.Username, u.Password, "phone"), a.api.Login(a, u.Username, u.Password, "laptop")}
	var socks []*sock
	for i, x := range others {
		socks = append(socks, a.dial(1+i%2, x))
	}
	a.api.Must(a, 200, "POST", "/auth/logout-all", u.Token, nil)
	for i, x := range others {
		a.closed(socks[i], 4502)
		a.refused(a.api, 401, "unauthenticated", "GET", "/me", x.Token, nil)
		a.refused(a.api, 401, "unauthenticated", "POST", "/auth/refresh", "", obj{"refresh_token": x.Refresh})
	}
}
