//go:build e2e

package attacks

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"chat-service/internal/test/testkit"
)

// registered makes an account at the api in release mode, where the address pays for it.
func (a *attack) registered(api testkit.API, name, password, address string) testkit.Response {
	a.Helper()
	return a.ask(api, request{method: "POST", path: "/auth/register", header: from(address), body: obj{"username": name, "password": password}})
}

// login tries a password from an address.
func (a *attack) login(api testkit.API, name, password, address string) testkit.Response {
	a.Helper()
	return a.ask(api, request{method: "POST", path: "/auth/login", header: from(address), body: obj{"username": name, "password": password}})
}

const goodPassword = "violet teapot 91 on the hill"

func hashes(a *attack) {
	name := "u" + fresh()
	if r := a.registered(a.strict, name, goodPassword, "198.18.1.1"); r.Status != 201 {
		a.Fatalf("register: %d %s", r.Status, r.Raw)
	}
	const form = "$argon2id$v=19$m=19456,t=2,p=1$"
	hash := func(name string) string { return a.text("SELECT password_hash FROM users WHERE username = ?", name) }
	if h := hash(name); !strings.HasPrefix(h, form) || len(h) < len(form)+22+1+43 {
		a.Errorf("a password is kept as %s…, want %s and a salt and a hash", h[:min(len(h), len(form))], form)
	}
	a.canaries.add(hash(name), "a password's hash")
	weak := a.api.User(a) // hashed at less cost
	before := hash(weak.Username)
	if strings.HasPrefix(before, form) {
		a.Fatal("api-1 hashes at full cost: nothing to renew")
	}
	if r := a.login(a.strict, weak.Username, weak.Password, "198.18.1.2"); r.Status != 200 || !strings.HasPrefix(hash(weak.Username), form) {
		a.Errorf("after a login (%d) the weak hash is still there", r.Status)
	}
	if r := a.login(a.strict, weak.Username, weak.Password, "198.18.1.2"); r.Status != 200 {
		a.Errorf("the renewed hash doesn't fit: %d", r.Status)
	}
}

func unknownOrWrong(a *attack) {
	const samples = 60
	u := a.hashing.User(a)
	var took [2][]time.Duration
	var bodies [2]string
	for i := range 2 * samples {
		name := []string{u.Username, "nobody" + fresh()}[i%2]
		began := time.Now()
		r := a.ask(a.hashing, request{method: "POST", path: "/auth/login", body: obj{"username": name, "password": "wrong horse 42"}})
		took[i%2] = append(took[i%2], time.Since(began))
		delete(r.Body, "request_id")
		bodies[i%2] = fmt.Sprint(r.Status, r.Body)
	}
	if bodies[0] != bodies[1] || !strings.HasPrefix(bodies[0], "401") {
		a.Errorf("a wrong password is answered by %s, an unknown name by %s", bodies[0], bodies[1])
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	// The quickest tenth: a busy machine makes some slower, and none quicker.
	wrong, unknown := took[0][samples/10].Seconds(), took[1][samples/10].Seconds()
	if wrong > 1.2*unknown || unknown > 1.2*wrong {
		a.Errorf("a wrong password takes %.1f ms, an unknown name %.1f ms", 1000*wrong, 1000*unknown)
	}
	a.found = fmt.Sprintf("%.1f and %.1f ms", 1000*wrong, 1000*unknown)
}

func longPasswords(a *attack) {
	for _, path := range []string{"/api/v1/auth/login", "/api/v1/auth/register"} {
		answer, _ := a.wire(hostOf(a.api.Base), "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10485760\r\n\r\n{", patience)
		if !strings.HasPrefix(answer, "HTTP/1.1 413 ") {
			a.Errorf("%s with 10 MiB: %s", path, brief(answer))
		}
	}
	a.refused(a.api, 422, "invalid", "POST", "/auth/login", "", obj{"username": strings.Repeat("u", 100<<10), "password": "x"})
	a.refused(a.api, 422, "invalid", "POST", "/auth/login", "", obj{"username": strings.Repeat("u", 1000), "password": "x"})
	a.refused(a.api, 422, "invalid", "POST", "/auth/login", "", obj{"username": "u", "password": strings.Repeat("p", 1025)})
	name := "u" + fresh()
	long := strings.Repeat("long ", 204) + "word"
	a.refused(a.api, 422, "invalid", "POST", "/auth/register", "", obj{"username": name, "password": long + "s"})
	a.api.Must(a, 201, "POST", "/auth/register", "", obj{"username": name, "password": long})
	a.refused(a.api, 401, "unauthenticated", "POST", "/auth/login", "", obj{"username": name, "password": long[:1023] + "x"})
	a.refused(a.api, 401, "unauthenticated", "POST", "/auth/login", "", obj{"username": name, "password": long[:72]})
	a.api.Login(a, name, long, "")
}

// peak is the most memory that a process ever had, in bytes.
func (a *attack) peak(process string) uint64 {
	a.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.PID(a, process)))
	if err != nil {
		a.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	n, err := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		a.Fatal(err)
	}
	return n << 10
}

func manyLogins(a *attack) {
	u, api := a.hashing.User(a), a.API(4)
	before := a.rss("api-4")
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for range 200 {
		wg.Go(func() {
			r, err := tryAsk(a.Context(), api, request{method: "POST", path: "/auth/login", body: obj{"username": u.Username, "password": "wrong horse 42"}})
			mu.Lock()
			defer mu.Unlock()
			got[r.Status]++
			if err != nil || r.Status == 503 && r.Header.Get("Retry-After") == "" {
				a.Errorf("%v %d %v", err, r.Status, r.Header)
			}
		})
	}
	for range 20 {
		a.within(3*time.Second, "a neighbour's message during 200 logins", a.neighboursChat)
	}
	wg.Wait()
	if got[401]+got[503] != 200 || got[503] == 0 || got[401] < 20 { // those that wait for longer than limits.request_time are 503, too
		a.Errorf("200 logins at once are answered by %v, want 401 for what fits into the queue of 128, and 503", got)
	}
	if grown := int64(a.peak("api-4")) - int64(before); grown > 128<<20 {
		a.Errorf("200 logins at once cost %d MiB of memory", grown>>20)
	}
	a.found = fmt.Sprintf("%d judged, %d refused", got[401], got[503])
}

// getsIn logs an owner in from where they did before. While Redis is too slow, a process doesn't know of that place.
func (a *attack) getsIn(name, address, when string) {
	a.Helper()
	testkit.Eventually(a, time.Minute, func() (bool, string) {
		r := a.login(a.strict, name, goodPassword, address)
		if r.Status != 200 && a.metric("api-2", "chat_api_degraded_total") == 0 {
			a.Fatalf("%s the owner's login is answered by %d %s", when, r.Status, r.Raw)
		}
		return r.Status == 200, fmt.Sprintf("%s the owner's login is answered by %d", when, r.Status)
	})
}

func spreadGuesses(a *attack) {
	name := "u" + fresh()
	a.registered(a.strict, name, goodPassword, "198.18.2.1")
	if r := a.login(a.strict, name, goodPassword, "198.18.2.1"); r.Status != 200 { // the place is known from now on
		a.Fatalf("login: %d %s", r.Status, r.Raw)
	}
	judged, most := 0, a.allowed("api-2", 20)
	for i := range 100 {
		r := a.login(a.strict, name, "guess "+fresh(), fmt.Sprint("198.18.3.", i))
		if r.Status == 401 {
			judged++
		} else {
			a.problem(r, 429, "rate_limited", "a guess")
		}
	}
	if limit := most(); judged < 10 || judged > limit {
		a.Errorf("%d of 100 guesses from 100 addresses were judged, want 10 to %d", judged, limit)
	}
	a.getsIn(name, "198.18.2.1", "after strangers' guesses")
	judged, most = 0, a.allowed("api-2", 40)
	for range 100 {
		if r := a.login(a.strict, "spray"+fresh(), "Summer2026 x", "198.18.2.9"); r.Status == 401 {
			judged++
		}
	}
	if judged > most() {
		a.Errorf("one address had %d guesses over many accounts judged, may have 40 an hour", judged)
	}
	a.getsIn(name, "198.18.2.1", "after another address's spraying")
	a.found = fmt.Sprintf("%d of 100 sprayed are judged", judged)
}

// addressOf is what the api takes for the client's address of a session just opened.
func (a *attack) addressOf(api testkit.API, r testkit.Response) string {
	a.Helper()
	for _, s := range api.Must(a, 200, "GET", "/auth/sessions", r.Body.Str("access_token"), nil).List("sessions") {
		if s.Bool("current") {
			return s.Str("ip")
		}
	}
	return ""
}

func forwardedFor(a *attack) {
	u := a.hashing.User(a)
	if got := a.addressOf(a.hashing, a.login(a.hashing, u.Username, u.Password, "6.6.6.6")); got != "127.0.0.1" {
		a.Errorf("a client that isn't a trusted proxy is %s at its own word", got)
	}
	forged := request{method: "POST", path: "/auth/login", header: from("6.6.6.6", "not an address", "198.18.4.1"), body: obj{"username": u.Username, "password": u.Password}}
	if got := a.addressOf(a.strict, a.ask(a.strict, forged)); got != "198.18.4.1" {
		a.Errorf("behind a trusted proxy the client is %s, want the last address that the proxy saw", got)
	}
	other := "u" + fresh()
	a.registered(a.strict, other, goodPassword, "198.18.4.2")
	judged, most := 0, a.allowed("api-2", 3)
	for i := range 12 {
		forged.header, forged.body = from(fmt.Sprint("6.6.6.", i), "198.18.4.3"), obj{"username": other, "password": "guess " + fresh()}
		if a.ask(a.strict, forged).Status == 401 {
			judged++
		}
	}
	if limit := most(); judged > limit {
		a.Errorf("%d guesses of one client under forged addresses were judged, may be %d", judged, limit)
	}
	for _, name := range []string{"X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"} {
		r := a.ask(a.strict, request{method: "POST", path: "/auth/login", header: http.Header{name: {"6.6.6.6"}}, body: obj{"username": u.Username, "password": u.Password}})
		if got := a.addressOf(a.strict, r); got != "127.0.0.1" {
			a.Errorf("%s is believed: %s", name, got)
		}
	}
}

func whoHasAnAccount(a *attack) {
	us := a.users(2)
	a.Chatctl(a, "user", "disable", fmt.Sprint(us[1].ID))
	var answers []string
	for _, name := range []string{us[0].Username, us[1].Username, "nobody" + fresh(), us[0].Username + "@example.com", "nobody@example.com"} {
		r := a.ask(a.api, request{method: "POST", path: "/auth/login", body: obj{"username": name, "password": "wrong horse 42"}})
		delete(r.Body, "request_id")
		r.Header.Del("X-Request-Id")
		r.Header.Del("Date")
		answers = append(answers, fmt.Sprint(r.Status, r.Body, r.Header))
	}
	for _, answer := range answers {
		if answer != answers[0] {
			a.Errorf("logins tell accounts apart:\n%s\n%s", answers[0], answer)
		}
	}
	a.refused(a.api, 409, "username_taken", "POST", "/auth/register", "", obj{"username": us[0].Username, "password": goodPassword})
	a.refused(a.api, 409, "email_taken", "POST", "/auth/register", "", obj{"username": "u" + fresh(), "email": us[0].Username + "@example.com", "password": goodPassword})
	for _, path := range []string{"/auth/reset", "/auth/forgot", "/auth/password/reset"} {
		a.refused(a.api, 404, "not_found", "POST", path, "", obj{"email": us[0].Username + "@example.com"})
	}
	for _, f := range a.api.Must(a, 200, "GET", "/users?q="+us[0].Username, us[0].Token, nil).List("users") {
		if f.Has("email") {
			a.Errorf("a search shows %s", f)
		}
	}
}

func commonPasswords(a *attack) {
	name := "tess" + fresh()
	for i, password := range []string{
		"password123", "password", "12345678", "qwertyuiop", "iloveyou", "1qaz2wsx", "Passw0rd!", "PASSWORD1", "11111111", "aaaaaaaaaaaa",
		name, name + "1", strings.ToUpper(name), "short 7", "",
	} {
		r := a.registered(a.strict, name, password, fmt.Sprint("198.18.5.", i))
		a.problem(r, 422, "invalid", "the password "+password)
		if len(r.Body.List("errors")) == 0 || r.Body.List("errors")[0].Str("field") != "password" {
			a.Errorf("%s is refused by %s", password, r.Raw)
		}
	}
	for _, password := range []string{"all lower case words", "ÄÖÜ ß € 😀 и 漢字", "        spaces inside        ", strings.Repeat("pass phrase ", 20)} {
		if r := a.registered(a.strict, "u"+fresh(), password, "198.18.5.200"); r.Status != 201 {
			a.Errorf("%q is refused: %d %s", password, r.Status, r.Raw)
		}
	}
}
