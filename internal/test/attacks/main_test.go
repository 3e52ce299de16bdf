//go:build e2e

package attacks

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

// TestMain lets more attacks run side by side than there are processors: they wait more than they work.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", "10")
	}
	os.Exit(m.Run())
}

// patience is for what has no promised time.
const patience = 20 * time.Second

// fleet is what is attacked: gateway-1 and api-1 have no rate limits, so that attacks side by side don't meet each other's;
// gateway-2 and api-2 have those of an installation, and api-2 runs in release mode; api-3 hashes passwords at full cost, has no
// limits, and trusts no proxy; api-4 is like it, has a handler that panics, and is flooded; api-5 knows the next key of the tokens besides this one, api-6 only
// the next one; api-7 is there to be crashed.
type fleet struct {
	*testkit.Fleet

	api, strict, hashing testkit.API

	bin       string
	password  string         // of the database's user of api-2
	pids      map[string]int // of those that must go on
	canaries  canaries
	neighbour struct {
		sync.Mutex

		one, two *testkit.Socket
		room     uint64
	}
}

// nextSecret signs the tokens of api-5 and api-6.
const nextSecret = "another key than before, for the rotation"

// origin is the page that may open sockets at gateway-2, and call api-2.
const origin = "https://chat.example.com"

func startFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{pids: map[string]int{}}
	f.bin = testkit.Binaries(t)
	f.Fleet = testkit.StartFleet(t, testkit.FleetOptions{Gateways: 2, Workers: 2, APIs: 7, Env: map[string]string{
		"CHAT_LOG_LEVEL":     "debug", // the more is logged, the more may be told that should not
		"CHAT_GATEWAY_DRAIN": "200ms", "CHAT_WORKER_OFFLINE_GRACE": "1s",
	}, EnvOf: func(process string, env map[string]string) {
		switch process {
		case "gateway-1":
			for _, limit := range []string{
				"MESSAGES_PER_SECOND", "USER_MESSAGES_PER_SECOND", "USER_FRAMES_PER_SECOND", "UNAUTHENTICATED_SOCKETS", "UNAUTHENTICATED_PER_ADDRESS", "HANDSHAKE_FAILURES_PER_MINUTE", "CONNECTS_PER_MINUTE",
			} {
				env["CHAT_LIMITS_"+limit] = "0"
			}
		case "worker-1", "worker-2":
			env["CHAT_LIMITS_USER_MESSAGES_PER_SECOND"], env["CHAT_LIMITS_SOCKETS_PER_USER"] = "0", fmt.Sprint(socketsPerUser)
		case "gateway-2":
			env["CHAT_GATEWAY_ORIGINS"] = origin
			env["CHAT_LIMITS_UNAUTHENTICATED_PER_ADDRESS"], env["CHAT_LIMITS_SOCKETS_PER_USER"] = fmt.Sprint(unauthenticated), fmt.Sprint(socketsPerUser)
		case "api-1":
			cheapHashes(env)
			noLimits(env)
		case "api-2":
			releaseMode(t, f, env)
			env["CHAT_AUTH_REFRESH_GRACE"], env["CHAT_CORS_ORIGINS"] = "0s", origin
			env["CHAT_LIMITS_LOGIN_FAILURES_PER_HOUR"], env["CHAT_LIMITS_ROOMS_PER_HOUR"] = "40", fmt.Sprint(roomsPerHour)
		case "api-3":
			noLimits(env)
			env["CHAT_SERVER_TRUSTED_PROXIES"] = "192.0.2.1"
		case "api-4":
			noLimits(env)
		case "api-5", "api-6", "api-7":
			noLimits(env)
			cheapHashes(env)
		}
		switch process {
		case "api-4":
			env["CHAT_FAULTS_PLANT"] = "handler_panics"
		case "api-5":
			env["CHAT_JWT_KEYS"] = "1=" + env["CHAT_JWT_SECRET"]
			fallthrough
		case "api-6":
			env["CHAT_JWT_SECRET"], env["CHAT_JWT_KEY_ID"] = nextSecret, "2"
		}
	}})
	broken := testkit.Build{Bin: filepath.Join(testkit.Root(t), "bin", "faults"), Root: testkit.Root(t)}
	testkit.Compile(t, broken.Root, broken.Bin, "-tags", "faults")
	f.Replace(t, "api-4", broken)
	f.api, f.strict, f.hashing = f.API(1), f.API(2), f.API(3)
	for _, name := range f.Names() {
		if name != crashed {
			f.pids[name] = f.PID(t, name)
		}
	}
	a, b := f.api.User(t), f.api.User(t)
	f.neighbour.room = f.api.CreateRoom(t, a, b)
	f.neighbour.one, f.neighbour.two = testkit.Dial(t, f.WS(1), a.Token), testkit.Dial(t, f.WS(2), b.Token)
	f.neighbour.one.Welcome(t)
	f.neighbour.two.Welcome(t)
	f.canaries.add(f.Secret, "the key of the tokens")
	f.canaries.add(nextSecret, "the next key of the tokens")
	return f
}

func cheapHashes(env map[string]string) {
	env["CHAT_AUTH_ARGON2_MEMORY_KIB"], env["CHAT_AUTH_ARGON2_TIME"] = "1024", "1"
}

func noLimits(env map[string]string) {
	for _, limit := range []string{
		"LOGIN_PER_MINUTE", "LOGIN_FAILURES_PER_HOUR", "REGISTER_PER_MINUTE", "BAD_TOKENS_PER_MINUTE", "REQUESTS_PER_SECOND", "SERVER_REQUESTS_PER_SECOND", "ROOMS_PER_HOUR", "INVITATIONS_PER_HOUR", "SEARCHES_PER_MINUTE", "USER_MESSAGES_PER_SECOND",
	} {
		env["CHAT_LIMITS_"+limit] = "0"
	}
}

// releaseMode puts a process into release mode, with its database password from a file.
func releaseMode(t *testing.T, f *fleet, env map[string]string) {
	t.Helper()
	f.password = env["CHAT_DATABASE_PASSWORD"]
	secret := filepath.Join(t.TempDir(), "database password")
	if err := os.WriteFile(secret, []byte(f.password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env["CHAT_SERVER_MODE"], env["CHAT_DATABASE_PASSWORD_FILE"] = "release", secret
	delete(env, "CHAT_DATABASE_PASSWORD")
}

// attack is one try, and what it may use.
type attack struct {
	*testing.T
	*fleet

	found string // what was measured, for the table
}

// Log is the test's, and not the fleet's.
func (a *attack) Log(args ...any) { a.Helper(); a.T.Log(args...) }

// after is what must hold behind every attack.
func (a *attack) after() {
	a.Helper()
	for name, pid := range a.pids {
		if now := a.PID(a.T, name); now != pid {
			a.Errorf("%s is another process: %d, was %d", name, now, pid)
		}
		if status := a.health(name); status != http.StatusOK {
			a.Errorf("%s answers /healthz with %d:\n%s", name, status, a.Fleet.Log(name, 30))
		}
	}
	a.neighboursChat()
	if n := a.number("SELECT COUNT(*) FROM dead_commands"); n != 0 {
		a.Errorf("%d commands were set aside", n)
	}
	for what, query := range halfMade {
		if n := a.number(query); n != 0 {
			a.Errorf("%d %s", n, what)
		}
	}
}

// halfMade counts what no transaction may leave behind.
var halfMade = map[string]string{
	"rooms whose members aren't counted right": `SELECT COUNT(*) FROM rooms r WHERE dissolved_at IS NULL AND member_count <>
		(SELECT COUNT(*) FROM members m WHERE m.room_id = r.id AND m.left_seq = 0)`,
	"rooms with holes in their log": `SELECT COUNT(*) FROM rooms r WHERE last_seq <>
		(SELECT COUNT(*) FROM messages m WHERE m.room_id = r.id)`,
	"groups without their owner": `SELECT COUNT(*) FROM rooms r WHERE type = 'group' AND dissolved_at IS NULL AND NOT EXISTS
		(SELECT 1 FROM members m WHERE m.room_id = r.id AND m.user_id = r.owner_id AND m.role = 'owner' AND m.left_seq = 0)`,
	"direct rooms that are no pair":   `SELECT COUNT(*) FROM rooms WHERE type = 'direct' AND member_count <> 2`,
	"members who are nobody":          `SELECT COUNT(*) FROM members m LEFT JOIN users u ON u.id = m.user_id WHERE u.id IS NULL`,
	"sessions without a token":        `SELECT COUNT(*) FROM sessions s WHERE NOT EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.session_id = s.id)`,
	"tokens of sessions never opened": `SELECT COUNT(*) FROM refresh_tokens t LEFT JOIN sessions s ON s.id = t.session_id WHERE s.id IS NULL`,
}

func (f *fleet) health(process string) int {
	res, err := http.Get(f.Debug(process) + "/healthz")
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	return res.StatusCode
}

// neighboursChat has two people who have nothing to do with it talk across both gateways.
func (a *attack) neighboursChat() {
	a.Helper()
	n := &a.neighbour
	n.Lock()
	defer n.Unlock()
	if code, reason, over := n.one.Ended(); over {
		a.Fatalf("the neighbour's socket has ended: %d %s", code, reason)
	}
	text := fresh()
	seq := a.chat(n.one, n.room, text)
	n.two.Expect(a.T, is("message", "room_id", n.room, "seq", seq, "content", text))
}

// canaries are secrets that were handed to the fleet and must never be told.
type canaries struct {
	mu   sync.Mutex
	list map[string]string // secret → what it is
}

func (c *canaries) add(secret, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list == nil {
		c.list = map[string]string{}
	}
	c.list[secret] = what
}

// told finds canaries in a text.
func (c *canaries) told(text string) (found []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for secret, what := range c.list {
		if i := strings.Index(text, secret); i >= 0 {
			found = append(found, fmt.Sprintf("%s: %q", what, text[max(0, i-150):min(len(text), i+80)]))
		}
	}
	return found
}
