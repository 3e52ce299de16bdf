//go:build e2e

package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// issuer is the application: it signs with one key.
type issuer struct {
	name, alg string
	sign      func([]byte) ([]byte, error)
}

// token makes a token for a user; change replaces claims, or takes them away by nil.
func (i issuer) token(t *testing.T, subject string, change obj) string {
	t.Helper()
	claims := obj{"iss": i.name, "aud": []string{"chat"}, "sub": subject, "name": "Name of " + subject, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	part := func(v obj) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64url(b)
	}
	text := part(obj{"alg": i.alg, "typ": "JWT", "kid": i.alg}) + "." + part(claims)
	sig, err := i.sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64url(sig)
}

// keyServer is where an issuer's keys are, while it is up.
type keyServer struct {
	*httptest.Server
	set  []byte
	down atomic.Bool
}

func serveKeys(t *testing.T, set []byte) *keyServer {
	k := &keyServer{set: set}
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if k.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write(k.set)
	}))
	t.Cleanup(k.Close)
	return k
}

// issuers are one of each algorithm and source of keys, and their configuration.
func issuers(t *testing.T) (all []issuer, server *keyServer, config string) {
	t.Helper()
	secret := []byte("e2e " + rand.Text() + rand.Text())
	r, e1 := rsa.GenerateKey(rand.Reader, 2048)
	e, e2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, d, e3 := ed25519.GenerateKey(rand.Reader)
	der, e4 := x509.MarshalPKIXPublicKey(&e.PublicKey)
	set := func(key obj) []byte {
		b, err := json.Marshal(obj{"keys": []obj{key}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, err := range []error{e1, e2, e3, e4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	file := func(name string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	server = serveKeys(t, set(obj{"kty": "RSA", "kid": "RS256", "n": base64url(r.N.Bytes()), "e": base64url(big.NewInt(int64(r.E)).Bytes())}))
	all = []issuer{
		{"https://rs.example", "RS256", func(b []byte) ([]byte, error) {
			h := sha256.Sum256(b)
			return rsa.SignPKCS1v15(nil, r, crypto.SHA256, h[:])
		}},
		{"https://hs.example", "HS256", func(b []byte) ([]byte, error) { m := hmac.New(sha256.New, secret); m.Write(b); return m.Sum(nil), nil }},
		{"https://es.example", "ES256", func(b []byte) ([]byte, error) {
			h := sha256.Sum256(b)
			x, y, err := ecdsa.Sign(rand.Reader, e, h[:])
			return append(x.FillBytes(make([]byte, 32)), y.FillBytes(make([]byte, 32))...), err
		}},
		{"https://ed.example", "EdDSA", func(b []byte) ([]byte, error) { return ed25519.Sign(d, b), nil }},
	}
	entries := []obj{
		{"issuer": all[0].name, "jwks_url": server.URL, "auto_provision": true},
		{"issuer": all[1].name, "secret_file": file("secret", append(secret, '\n')), "auto_provision": true},
		{"issuer": all[2].name, "public_key_file": file("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "auto_provision": true},
		{"issuer": all[3].name, "jwks_file": file("jwks.json", set(obj{"kty": "OKP", "crv": "Ed25519", "kid": "EdDSA", "x": base64url(d.Public().(ed25519.PublicKey))}))},
	}
	for _, entry := range entries {
		entry["audience"] = "chat"
	}
	b, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	return all, server, string(b)
}

// TestExchange: users of an application come by its tokens and chat; what is no good token is refused, in debug logs too nothing of a
// token is to be seen, and without the issuer's keys everything else goes on.
func TestExchange(t *testing.T) {
	t.Parallel()
	good(t, "POST /auth/exchange")
	bad(t, "POST /auth/exchange")
	from, keys, config := issuers(t)
	env := calm()
	env["CHAT_LOG_LEVEL"] = "debug"
	fleet := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 1, APIs: 2, Env: env, EnvOf: func(process string, env map[string]string) {
		if strings.HasPrefix(process, "api") {
			env["CHAT_AUTH_ISSUERS"], env["CHAT_AUTH_PASSWORDS"] = config, fmt.Sprint(process == "api-1")
		}
	}})
	w := &world{Fleet: fleet, api: fleet.API(1), strict: fleet.API(2)}
	var seen []string
	exchange := func(token, device string) user {
		t.Helper()
		seen = append(seen, token)
		f := w.api.Must(t, 200, "POST", "/auth/exchange", "", obj{"token": token, "device": device})
		return user{ID: f.Obj("user").Num("id"), Username: f.Obj("user").Str("username"), Token: f.Str("access_token"), Refresh: f.Str("refresh_token"), Device: device}
	}
	testkit.Eventually(t, patience, func() (bool, string) {
		ready, why := w.checks(t, "api-1")
		return ready && why["keys of "+from[0].name] == "ok", fmt.Sprint(why)
	})
	ann, bob, cem := exchange(from[0].token(t, "ann", nil), "phone"), exchange(from[1].token(t, "ann", nil), "phone"), exchange(from[2].token(t, "cem", nil), "")
	if ann.ID == bob.ID || ann.Username == bob.Username || ann.Username[0] != '~' {
		t.Errorf("two issuers' users are %+v and %+v", ann, bob)
	}
	room := w.api.CreateRoom(t, ann, bob, cem)
	one, two := w.dial(t, 1, ann), w.dial(t, 1, bob)
	seq := w.chat(t, one, room, "hello from elsewhere")
	two.Expect(t, is("message", "room_id", room, "seq", seq))

	again := exchange(from[0].token(t, "ann", nil), "phone")
	if again.ID != ann.ID || w.number(t, "SELECT COUNT(*) FROM sessions WHERE user_id = ?", ann.ID) != 1 {
		t.Errorf("the same device made another session, or user: %+v, %+v", ann, again)
	}
	w.api.Must(t, 200, "GET", "/me", ann.Token, nil)
	w.api.Must(t, 200, "POST", "/auth/refresh", "", obj{"refresh_token": ann.Refresh})

	w.raced(t, from[2])
	for name, tt := range map[string]struct {
		token string
		want  want
	}{
		"no account":      {from[3].token(t, "nobody", nil), want{403, "forbidden", ""}},
		"no audience":     {from[0].token(t, "ann", obj{"aud": nil}), want401},
		"wrong audience":  {from[0].token(t, "ann", obj{"aud": "mail"}), want401},
		"another issuer":  {from[0].token(t, "ann", obj{"iss": from[1].name}), want401},
		"expired":         {from[0].token(t, "ann", obj{"exp": time.Now().Add(-time.Hour).Unix()}), want{401, "token_expired", ""}},
		"tomorrow":        {from[0].token(t, "ann", obj{"nbf": time.Now().Add(24 * time.Hour).Unix()}), want401},
		"NUL":             {from[0].token(t, "a\x00", nil), want401},
		"300 bytes":       {from[0].token(t, strings.Repeat("x", 300), nil), want401},
		"100 KiB":         {from[0].token(t, "ann", obj{"more": strings.Repeat("x", 100<<10)}), want{422, "invalid", "token"}},
		"an access token": {ann.Token, want401},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, w.api, tt.want, "POST", "/auth/exchange", "", obj{"token": tt.token})
		})
		seen = append(seen, tt.token)
	}
	refused(t, w.api, want401, "GET", "/me", from[0].token(t, "ann", nil), nil) // it is no access token

	for _, path := range []string{"/auth/login", "/auth/register"} { // the second api takes no passwords
		refused(t, w.strict, want{403, "forbidden", ""}, "POST", path, "", obj{"username": "ann" + fresh(), "password": "correct horse 42"})
	}
	w.strict.Must(t, 200, "POST", "/auth/exchange", "", obj{"token": from[1].token(t, "ann", nil)})

	fleet.Chatctl(t, "user", "disable", fmt.Sprintf("id:%d", bob.ID))
	closed(t, two, 4504)
	refused(t, w.api, want{403, "blocked", ""}, "POST", "/auth/exchange", "", obj{"token": from[1].token(t, "ann", nil)})

	keys.down.Store(true)
	fleet.Restart(t, "api-2") // it has no keys of the first issuer
	testkit.Eventually(t, patience, func() (bool, string) {
		ready, why := w.checks(t, "api-2")
		return ready && strings.Contains(why["keys of "+from[0].name], "answers 502"), fmt.Sprint(ready, why)
	})
	refused(t, w.strict, want{503, "unavailable", ""}, "POST", "/auth/exchange", "", obj{"token": from[0].token(t, "ann", nil)})
	w.strict.Must(t, 200, "POST", "/auth/exchange", "", obj{"token": from[2].token(t, "cem", nil)})
	w.strict.Must(t, 200, "GET", "/rooms", ann.Token, nil)
	exchange(from[0].token(t, "ann", nil), "phone") // the first api has them
	if m := w.metrics(t, "api-2"); m[`chat_api_issuer_keys_fetched{issuer="`+from[0].name+`"}`] != 0 {
		t.Error("the metric doesn't know that keys are missing")
	}
	log := fleet.Log("api-1", 10_000) + fleet.Log("api-2", 10_000)
	for _, token := range seen {
		if strings.Contains(log, token[strings.LastIndex(token, ".")+1:]) {
			t.Error("a token's signature is in the log")
		}
	}
	if n := strings.Count(fleet.Log("api-2", 10_000), "keys can't be fetched"); n != 1 {
		t.Errorf("the log of api-2 says %d times that keys are missing", n)
	}
	testkit.Eventually(t, patience, func() (bool, string) { // it is written behind
		trail := fleet.Chatctl(t, "audit", "--user", fmt.Sprintf("id:%d", ann.ID)) + fleet.Chatctl(t, "audit", "--kind", "exchange_failed")
		for _, kind := range []string{"registered", "token_exchanged", "exchange_failed", "no account"} {
			if !strings.Contains(trail, kind) {
				return false, "no " + kind + " in the trail:\n" + trail
			}
		}
		return true, ""
	})
}

// raced: one user, who is seen first by twenty calls at once, at both apis.
func (w *world) raced(t *testing.T, from issuer) {
	t.Helper()
	token := from.token(t, "raced "+fresh(), nil)
	var all sync.WaitGroup
	ids := make([]uint64, 20)
	for i := range ids {
		all.Go(func() {
			_, f := []testkit.API{w.api, w.strict}[i%2].Do(t, "POST", "/auth/exchange", "", obj{"token": token, "device": "d"})
			ids[i] = f.Obj("user").Num("id")
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] || id == 0 {
			t.Fatalf("twenty calls make users %v", ids)
		}
	}
	if n := w.number(t, "SELECT COUNT(*) FROM sessions WHERE user_id = ?", ids[0]); n != 1 {
		t.Errorf("twenty calls make %d sessions", n)
	}
}

// checks asks a process whether it is ready, and what its checks say.
func (w *world) checks(t *testing.T, process string) (ready bool, why map[string]string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.Debug(process)+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, nil
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var report struct{ Checks map[string]string }
	if err := json.Unmarshal(b, &report); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return res.StatusCode == http.StatusOK, report.Checks
}
