package api

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/test/testkit"
)

// guesser is a server that counts for itself, and clients at any address.
func guesser(t *testing.T, change ...func(*Options, *Ports)) *bench {
	t.Helper()
	b := newBench(t, append(change, func(o *Options, p *Ports) {
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		p.Throttle = nil
	})...)
	b.do(201, "POST", "auth/register", "", `{"username":"ann","email":"ann@example.com","password":"123456"}`)
	return b
}

// login tries a password from an address.
func (b *bench) login(address, name, password string) answer {
	b.Helper()
	return b.raw("POST", "auth/login", "", "application/json",
		fmt.Sprintf(`{"username":%q,"password":%q}`, name, password), "X-Forwarded-For", address)
}

// TestParallelGuesses: a try is counted before it is judged, and by the account whatever it is called: of 100 guesses at once,
// not more are judged than one by one, and the right one that comes late doesn't get in.
func TestParallelGuesses(t *testing.T) {
	for round := range 3 {
		b := guesser(t)
		for i := range 69 {
			name := []string{"ann", "ann@example.com", "ANN", "Ann@Example.com"}[i%4]
			if a := b.login("9.9.9.9", name, "wrong!"); a.status != 401 && a.status != 429 {
				t.Fatalf("guess %d: %d %s", i, a.status, a.raw)
			}
		}
		var wg sync.WaitGroup
		got := make([]int, 31)
		for i := range got {
			wg.Go(func() { got[i] = b.login("9.9.9.9", "ann", "123456").status })
		}
		wg.Wait()
		for i, status := range got {
			if status != 429 {
				t.Errorf("round %d: the right password at place %d answers %d", round, 70+i, status)
			}
		}
	}
	b := guesser(t)
	var wg sync.WaitGroup
	got := make([]int, 100)
	for i := range got {
		wg.Go(func() { got[i] = b.login("9.9.9.9", []string{"ann", "ann@example.com"}[i%2], "wrong!").status })
	}
	wg.Wait()
	judged := 0
	for _, status := range got {
		if status == 401 {
			judged++
		}
	}
	if judged != chat.FreeTries+1 {
		t.Errorf("%d of 100 guesses at once were judged, want %d", judged, chat.FreeTries+1)
	}
}

// TestNoLockout: a stranger who guesses delays neither the owner's login from where they have logged in before, nor a change of
// their password.
func TestNoLockout(t *testing.T) {
	b := guesser(t)
	a := b.login("1.1.1.1", "ann", "123456")
	if a.status != 200 {
		t.Fatalf("login: %s", a.raw)
	}
	token := a.body["access_token"].(string)
	judged := 0
	for i := range 200 {
		if b.login(fmt.Sprintf("9.9.%d.9", i), "ann", "wrong!").status == 401 {
			judged++
		}
	}
	if judged > chat.FreeStrangerTries+1 {
		t.Errorf("%d guesses from 200 addresses were judged", judged)
	}
	if a = b.login("1.1.1.1", "ann", "123456"); a.status != 200 {
		t.Errorf("the owner is locked out: %s", a.raw)
	}
	if a = b.login("2.2.2.2", "ann", "123456"); a.status != 429 {
		t.Errorf("an unknown address isn't delayed: %d", a.status)
	}
	b.do(200, "POST", "auth/password", token, `{"old_password":"123456","new_password":"abcdef"}`)
	for range chat.FreeTries + 1 {
		b.problem(b.raw("POST", "auth/password", token, "application/json", `{"old_password":"wrong!","new_password":"abcdef"}`), 403, "forbidden")
	}
	b.problem(b.raw("POST", "auth/password", token, "application/json", `{"old_password":"abcdef","new_password":"123456"}`), 429, "rate_limited")
	if a = b.login("1.1.1.1", "ann", "abcdef"); a.status != 200 {
		t.Errorf("guesses with a stolen token delay the login: %s", a.raw)
	}
	b.pass(time.Hour + time.Minute)
	if a = b.login("2.2.2.2", "ann", "abcdef"); a.status != 200 {
		t.Errorf("failures aren't forgotten: %s", a.raw)
	}
}

// TestSpraying: one address may fail at only so many tries, at whatever accounts; tries that pass, or that nobody judges, cost nothing.
func TestSpraying(t *testing.T) {
	b := guesser(t, func(o *Options, _ *Ports) { o.Limits.LoginFailures = 10 })
	for range 30 {
		if a := b.login("1.1.1.1", "ann", "123456"); a.status != 200 {
			t.Fatalf("a good login: %s", a.raw)
		}
	}
	b.pass(time.Minute) // so many logins of an account, good or not
	b.auth.down = errDown
	for range 30 {
		b.problem(b.login("1.1.1.1", "ann", "123456"), 503, "unavailable")
	}
	b.auth.down = nil
	judged := 0
	for i := range 100 {
		if b.login("1.1.1.1", fmt.Sprint("user", i), "Spring2026").status == 401 {
			judged++
		}
	}
	if judged != 10 {
		t.Errorf("%d accounts were tried from one address", judged)
	}
	b.problem(b.login("1.1.1.1", "ann", "123456"), 429, "rate_limited")
	if a := b.login("2.2.2.2", "ann", "123456"); a.status != 200 {
		t.Errorf("another address pays for it: %s", a.raw)
	}
}

// TestFailuresComeSlowly: an hour's failures can't be had in one moment; the rate stays.
func TestFailuresComeSlowly(t *testing.T) {
	b := guesser(t)
	guess := func() int { return b.login("1.1.1.1", "user"+rand.Text(), "Spring2026").status }
	judged := 0
	for range 100 {
		if guess() == 401 {
			judged++
		}
	}
	if judged != chat.FailuresAtOnce {
		t.Errorf("%d of 100 guesses at once were judged, want %d", judged, chat.FailuresAtOnce)
	}
	b.problem(b.login("1.1.1.1", "ann", "123456"), 429, "rate_limited")
	for range 3600 / 12 { // an hour
		b.pass(12 * time.Second)
		if guess() == 401 {
			judged++
		}
	}
	if want := chat.FailuresAtOnce + 300; judged != want {
		t.Errorf("%d were judged in an hour, want %d", judged, want)
	}
}

// TestLoginsToOneAccount: the right password costs a hash, too; from elsewhere the account is open.
func TestLoginsToOneAccount(t *testing.T) {
	b := guesser(t)
	right := func(address string) int { return b.login(address, "ann", "123456").status }
	for i := range chat.PasswordsAtOnce {
		if status := right("1.1.1.1"); status != 200 {
			t.Fatalf("login %d: %d", i+1, status)
		}
	}
	b.problem(b.login("1.1.1.1", "ann", "123456"), 429, "rate_limited")
	b.pass(time.Second)
	if a, c := right("1.1.1.1"), right("1.1.1.1"); a != 200 || c != 429 {
		t.Errorf("a second later: %d, then %d", a, c)
	}
	if status := right("2.2.2.2"); status != 200 {
		t.Errorf("from another address: %d", status)
	}
}

// TestRightLoginsAtOnce: of one account at one place as many are under way as guesses may be free, since a try that isn't judged yet may
// be wrong; those that were right don't count, whether one by one or of many accounts.
func TestRightLoginsAtOnce(t *testing.T) {
	b := guesser(t)
	for i := range 30 {
		b.do(201, "POST", "auth/register", "", fmt.Sprintf(`{"username":"user%d","password":"123456"}`, i))
	}
	b.auth.gate = make(chan struct{})
	var wg sync.WaitGroup
	one, many := make([]int, 20), make([]int, 30)
	var refusals atomic.Int64
	for i := range one {
		wg.Go(func() {
			if one[i] = b.login("1.1.1.1", "ann", "123456").status; one[i] == 429 {
				refusals.Add(1)
			}
		})
	}
	for i := range many {
		wg.Go(func() { many[i] = b.login("2.2.2.2", fmt.Sprint("user", i), "123456").status })
	}
	refused := len(one) - chat.FreeTries - 1
	testkit.Eventually(t, 10*time.Second, func() (bool, string) {
		n := b.auth.waiting.Load()
		return int(n) == len(one)-refused+len(many) && int(refusals.Load()) == refused, fmt.Sprintf("%d hashes wait, %d logins are refused", n, refusals.Load())
	})
	close(b.auth.gate)
	wg.Wait()
	if n := len(slices.DeleteFunc(one, func(s int) bool { return s != 429 })); n != refused {
		t.Errorf("%d of 20 right logins at once are refused, want %d", n, refused)
	}
	if n := len(slices.DeleteFunc(many, func(s int) bool { return s == 200 })); n != 0 {
		t.Errorf("%d of 30 right logins of as many accounts at once are refused", n)
	}
	for range 20 {
		if a := b.login("1.1.1.1", "ann", "123456"); a.status != 200 {
			t.Fatalf("one after the other: %d %s", a.status, a.raw)
		}
	}
}

// TestLocalThrottleIsBounded: a flood of names neither grows without bound nor wipes what is counted of those in use.
func TestLocalThrottleIsBounded(t *testing.T) {
	b := guesser(t, func(o *Options, _ *Ports) { o.Limits.LoginFailures, o.Limits.LoginPerMinute = 0, 1_000_000 })
	for range chat.FreeTries + 1 {
		b.login("9.9.9.9", "ann", "wrong!")
	}
	for i := range 200 {
		b.login("9.9.9.9", strings.Repeat("x", 3)+fmt.Sprint(i), "wrong!")
	}
	b.problem(b.login("9.9.9.9", "ann", "123456"), 429, "rate_limited")
}
