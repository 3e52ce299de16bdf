//go:build e2e

package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/authority"
)

// secured is a set of servers of its own that speak TLS, with certificates of a private authority for the host "localhost".
type secured struct {
	ca, stranger                   *authority.Authority
	cert, key, expired, expiredKey string // for localhost
	mysql, redis, rabbit           stack.Server
	redisTLS, rabbitTLS            string // ports
	bin, root                      string
}

func startSecured(t *testing.T) *secured {
	t.Helper()
	s := &secured{ca: authority.New(t, "private"), stranger: authority.New(t, "stranger"), bin: testkit.Binaries(t), root: testkit.Root(t)}
	s.expired, s.expiredKey = s.ca.Issue(t, "localhost", time.Now().Add(-time.Hour))
	old := s.expired + ".old" // the next one for the host overwrites it
	move(t, s.expired, old)
	move(t, s.expiredKey, old+".key")
	s.expired, s.expiredKey = old, old+".key"
	s.cert, s.key = s.ca.Issue(t, "localhost", time.Now().Add(time.Hour))
	elsewhere, elsewhereKey := s.ca.Issue(t, "expired.test", time.Now().Add(-time.Hour))
	strict, strictKey := s.ca.Issue(t, "strict.test", time.Now().Add(time.Hour))
	_, s.redisTLS = testkit.FreeAddr(t)
	_, s.rabbitTLS = testkit.FreeAddr(t)
	files := map[stack.Kind][]string{
		stack.MySQL: {"--ssl-ca=" + s.ca.Path, "--ssl-cert=" + s.cert, "--ssl-key=" + s.key},
		stack.Redis: {
			"--tls-port", s.redisTLS, "--tls-cert-file", s.cert, "--tls-key-file", s.key, "--tls-ca-cert-file", s.ca.Path,
			"--tls-auth-clients", "optional",
		},
		// To those who ask for the host expired.test the broker shows another certificate; those who ask for strict.test must show theirs.
		stack.RabbitMQ: {fmt.Sprintf(`{rabbit, [{ssl_listeners, [{"127.0.0.1", %s}]}, {ssl_options, [
			{cacertfile, %q}, {certfile, %q}, {keyfile, %q}, {verify, verify_peer}, {fail_if_no_peer_cert, false},
			{sni_hosts, [{"expired.test", [{certfile, %q}, {keyfile, %q}]}, {"strict.test", [{certfile, %q}, {keyfile, %q},
				{cacertfile, %q}, {verify, verify_peer}, {fail_if_no_peer_cert, true}]}]}]}]}`,
			s.rabbitTLS, s.ca.Path, s.cert, s.key, elsewhere, elsewhereKey, strict, strictKey, s.ca.Path)},
	}

	out := stack.NewProgress(writer{t})
	d, err := stack.OpenDir(t.TempDir(), out)
	if err != nil {
		t.Fatal(err)
	}
	st, err := stack.Up(t.Context(), stack.Options{
		Dir: d, Out: out, PkgCache: os.Getenv("CHAT_PKG_CACHE"), Kinds: []stack.Kind{stack.MySQL, stack.Redis, stack.RabbitMQ},
		BrokerAPI: true, Extra: files,
	})
	if err != nil {
		_ = d.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		st.Stop(context.Background())
		_ = d.Close()
	})
	s.mysql, _ = st.Server(stack.MySQL)
	s.redis, _ = st.Server(stack.Redis)
	s.rabbit, _ = st.Server(stack.RabbitMQ)
	return s
}

type writer struct{ t *testing.T }

func (w writer) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func move(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// env leads to all three servers by TLS, as verified by the private authority.
func (s *secured) env() map[string]string {
	return map[string]string{
		"CHAT_DATABASE_HOST": "localhost", "CHAT_DATABASE_PORT": strconv.Itoa(s.mysql.Port), "CHAT_DATABASE_USER": s.mysql.User,
		"CHAT_DATABASE_PASSWORD": s.mysql.Password, "CHAT_DATABASE_DBNAME": s.mysql.Database, "CHAT_DATABASE_TLS_CA": s.ca.Path,
		"CHAT_REDIS_HOST": "localhost", "CHAT_REDIS_PORT": s.redisTLS, "CHAT_REDIS_TLS_CA": s.ca.Path,
		"CHAT_RABBITMQ_URL":    "amqps://guest:guest@localhost:" + s.rabbitTLS + "/",
		"CHAT_RABBITMQ_TLS_CA": s.ca.Path, "CHAT_RABBITMQ_EXCHANGE": "tls", "CHAT_RABBITMQ_QUEUE_TYPE": "classic",
	}
}

type finding struct{ Level, Area, Text, Do string }

// chatctl runs a command; whether it fails is the caller's business.
func (s *secured) chatctl(t *testing.T, env map[string]string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "chatctl"), args...)
	cmd.Dir = s.root
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "CHAT_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.Output()
	if out == nil && err != nil {
		t.Fatalf("chatctl %v: %v", args, err)
	}
	return out
}

// doctor examines the servers and returns what it says of one of them.
func (s *secured) doctor(t *testing.T, area string, env map[string]string) (fails []finding) {
	t.Helper()
	var report struct{ Findings []finding }
	out := s.chatctl(t, env, "doctor", "--json", "--declare")
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("doctor: %v\n%s", err, out)
	}
	seen := false
	for _, f := range report.Findings {
		seen = seen || f.Area == area
		if f.Area == area && f.Level == "FAIL" {
			fails = append(fails, f)
		}
	}
	if !seen {
		t.Fatalf("doctor says nothing about %s: %s", area, out)
	}
	return fails
}

// TestTLS: connections to the three servers are verified, against a private authority and by name; what is refused says what to do. It
// starts servers of its own, so it isn't parallel.
func TestTLS(t *testing.T) {
	s := startSecured(t)
	s.chatctl(t, s.env(), "migrate")
	t.Run("verified", s.verified)
	t.Run("a fleet", s.fleet)
	t.Run("expired", s.outdated)
	t.Run("certificates of clients", s.clients)
}

func (s *secured) verified(t *testing.T) {
	for _, tt := range []struct {
		name, area string
		env        map[string]string
		says, do   string // of the one failure; "": none
	}{
		{"right", "mysql", nil, "", ""},
		{"right", "redis", nil, "", ""},
		{"right", "rabbitmq", nil, "", ""},
		{"another name, given", "mysql", map[string]string{"CHAT_DATABASE_HOST": "127.0.0.1", "CHAT_DATABASE_TLS_NAME": "localhost"}, "", ""},
		{"another name, given", "redis", map[string]string{"CHAT_REDIS_HOST": "127.0.0.1", "CHAT_REDIS_TLS_NAME": "localhost"}, "", ""},
		{"another name, given", "rabbitmq", map[string]string{"CHAT_RABBITMQ_URL": s.byAddress(), "CHAT_RABBITMQ_TLS_NAME": "localhost"}, "", ""},

		{"the system's authorities", "mysql", map[string]string{"CHAT_DATABASE_TLS": "true", "CHAT_DATABASE_TLS_CA": ""}, "unknown authority", "set database.tls_ca"},
		{"the system's authorities", "redis", map[string]string{"CHAT_REDIS_TLS": "true", "CHAT_REDIS_TLS_CA": ""}, "unknown authority", "set redis.tls_ca"},
		{"the system's authorities", "rabbitmq", map[string]string{"CHAT_RABBITMQ_TLS_CA": ""}, "unknown authority", "set rabbitmq.tls_ca"},
		{"a stranger's authority", "mysql", map[string]string{"CHAT_DATABASE_TLS_CA": s.stranger.Path}, "unknown authority", "set database.tls_ca"},
		{"a stranger's authority", "redis", map[string]string{"CHAT_REDIS_TLS_CA": s.stranger.Path}, "unknown authority", "set redis.tls_ca"},
		{"a stranger's authority", "rabbitmq", map[string]string{"CHAT_RABBITMQ_TLS_CA": s.stranger.Path}, "unknown authority", "set rabbitmq.tls_ca"},
		{"a wrong name", "mysql", map[string]string{"CHAT_DATABASE_HOST": "127.0.0.1"}, "127.0.0.1", "(localhost), or set database.tls_name"},
		{"a wrong name", "redis", map[string]string{"CHAT_REDIS_HOST": "127.0.0.1"}, "127.0.0.1", "(localhost), or set redis.tls_name"},
		{"a wrong name", "rabbitmq", map[string]string{"CHAT_RABBITMQ_URL": s.byAddress()}, "127.0.0.1", "(localhost), or set rabbitmq.tls_name"},
		{"no TLS there", "redis", map[string]string{"CHAT_REDIS_PORT": strconv.Itoa(s.redis.Port)}, "deadline", "or turn redis.tls off"}, // it waits for more
		{"no TLS there", "rabbitmq", map[string]string{"CHAT_RABBITMQ_URL": "amqps://guest:guest@" + s.rabbit.Addr() + "/"}, "", "speaks no TLS"},
		{"a file that isn't there", "mysql", map[string]string{"CHAT_DATABASE_TLS_CA": "/nowhere.pem"}, "database.tls_ca: open /nowhere.pem", ""},
	} {
		t.Run(tt.area+": "+tt.name, func(t *testing.T) {
			env := s.env()
			for k, v := range tt.env {
				env[k] = v
			}
			fails := s.doctor(t, tt.area, env)
			if tt.says+tt.do == "" {
				if len(fails) > 0 {
					t.Errorf("%v", fails)
				}
				return
			}
			if len(fails) != 1 || !strings.Contains(fails[0].Text, tt.says) || !strings.Contains(fails[0].Do, tt.do) {
				t.Errorf("doctor says %v, want one failure with %q and %q", fails, tt.says, tt.do)
			}
		})
	}
}

func (s *secured) byAddress() string {
	return "amqps://guest:guest@" + net.JoinHostPort("127.0.0.1", s.rabbitTLS) + "/"
}

// fleet runs the product over TLS, with users that MySQL refuses without it; the other two servers are reached by their TLS ports.
func (s *secured) fleet(t *testing.T) {
	t.Setenv(testkit.MySQLVar, s.mysql.DSN())
	t.Setenv(testkit.RedisVar, s.redis.Addr())
	t.Setenv(testkit.AMQPVar, s.rabbit.AMQPURL())
	t.Setenv(testkit.BrokerAPIVar, "http://guest:guest@127.0.0.1:"+strconv.Itoa(s.rabbit.APIPort))
	env := calm()
	for k, v := range s.env() {
		if strings.HasSuffix(k, "_TLS_CA") || k == "CHAT_DATABASE_HOST" {
			env[k] = v
		}
	}
	secure := func(process string, env map[string]string) {
		if env["CHAT_REDIS_HOST"] != "" {
			env["CHAT_REDIS_HOST"], env["CHAT_REDIS_PORT"] = "localhost", s.redisTLS
		}
		if u, err := url.Parse(env["CHAT_RABBITMQ_URL"]); err == nil && u.Host != "" {
			u.Scheme, u.Host = "amqps", "localhost:"+s.rabbitTLS
			env["CHAT_RABBITMQ_URL"] = u.String()
		}
		if user := env["CHAT_DATABASE_USER"]; process != "chatctl" && user != "" {
			s.sql(t, "ALTER USER '"+user+"'@'%' REQUIRE SSL")
		}
	}
	f := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 1, APIs: 1, Env: env, EnvOf: secure})
	w := &world{Fleet: f, api: f.API(1)}
	us := w.users(t, 2)
	room := w.api.CreateRoom(t, us[0], us[1])
	one, two := w.dial(t, 1, us[0]), w.dial(t, 1, us[1])
	seq := w.chat(t, one, room, "over TLS")
	two.Expect(t, is("message", "room_id", room, "seq", seq))
	for name, tt := range map[string]struct {
		kind string
		env  map[string]string
		says string
	}{
		"mysql":    {"api", map[string]string{"CHAT_DATABASE_TLS_CA": s.stranger.Path}, "set database.tls_ca"},
		"rabbitmq": {"gateway", map[string]string{"CHAT_RABBITMQ_TLS_CA": s.stranger.Path}, "set rabbitmq.tls_ca"},
		"redis":    {"api", map[string]string{"CHAT_REDIS_TLS_CA": s.stranger.Path, "CHAT_DATABASE_DBNAME": "nowhere"}, ""}, // goes on without it
	} {
		tt.env["CHAT_SERVER_GIVE_UP"] = "1s"
		changed := tt.env
		w.LaunchOf(t, tt.kind, name, func(process string, env map[string]string) {
			secure(process, env)
			for k, v := range changed {
				env[k] = v
			}
		})
		if !w.Ended(t, name, 30*time.Second) {
			t.Fatalf("%s goes on", name)
		}
		if log := w.Log(name, 1000); !strings.Contains(log, tt.says) {
			t.Errorf("nothing of %q in\n%s", tt.says, log)
		}
	}
}

// sql runs a statement as the administrator.
func (s *secured) sql(t *testing.T, q string) {
	t.Helper()
	db, err := sql.Open("mysql", s.mysql.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), q); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

func (s *secured) redisDo(t *testing.T, args ...string) {
	t.Helper()
	r, err := testkit.DialRedis(s.redis.Addr(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Do(args...); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

// outdated lets the servers show a certificate that has expired.
func (s *secured) outdated(t *testing.T) {
	good, goodKey := s.cert+".good", s.key+".good"
	move(t, s.cert, good)
	move(t, s.key, goodKey)
	move(t, s.expired, s.cert)
	move(t, s.expiredKey, s.key)
	reload := func() {
		s.sql(t, "FLUSH SSL")
		s.redisDo(t, "CONFIG", "SET", "tls-cert-file", s.cert, "tls-key-file", s.key)
	}
	reload()
	rabbit := s.env()
	rabbit["CHAT_RABBITMQ_TLS_NAME"] = "expired.test"
	for area, env := range map[string]map[string]string{"mysql": s.env(), "redis": s.env(), "rabbitmq": rabbit} {
		fails := s.doctor(t, area, env)
		if len(fails) != 1 || !strings.Contains(fails[0].Text, "expired") || !strings.Contains(fails[0].Do, "renew the certificate (it is valid from ") {
			t.Errorf("%s: doctor says %v", area, fails)
		}
	}
	move(t, good, s.cert)
	move(t, goodKey, s.key)
	reload()
	if fails := append(s.doctor(t, "mysql", s.env()), s.doctor(t, "redis", s.env())...); len(fails) > 0 {
		t.Errorf("with the valid certificate again: %v", fails)
	}
}

// clients has the servers ask for the processes' certificates.
func (s *secured) clients(t *testing.T) {
	own, ownKey := s.ca.Issue(t, "client", time.Now().Add(time.Hour))
	forged, forgedKey := s.stranger.Issue(t, "client", time.Now().Add(time.Hour))
	s.sql(t, "CREATE USER 'certified'@'%' IDENTIFIED BY 'certified by the authority' REQUIRE X509")
	s.sql(t, "GRANT ALL ON *.* TO 'certified'@'%'")
	s.redisDo(t, "CONFIG", "SET", "tls-auth-clients", "yes")
	for _, tt := range []struct {
		name, cert, key string
		fails           []string // areas
	}{
		{"its own", own, ownKey, nil},
		{"none", "", "", []string{"mysql", "redis", "rabbitmq"}},
		{"a stranger's", forged, forgedKey, []string{"mysql", "redis", "rabbitmq"}},
	} {
		env := s.env()
		env["CHAT_DATABASE_USER"], env["CHAT_DATABASE_PASSWORD"] = "certified", "certified by the authority"
		env["CHAT_RABBITMQ_TLS_NAME"] = "strict.test"
		for _, section := range []string{"DATABASE", "REDIS", "RABBITMQ"} {
			env["CHAT_"+section+"_TLS_CERT"], env["CHAT_"+section+"_TLS_KEY"] = tt.cert, tt.key
		}
		for _, area := range []string{"mysql", "redis", "rabbitmq"} {
			fails := s.doctor(t, area, env)
			want := strings.Contains(fmt.Sprint(tt.fails), area)
			if (len(fails) > 0) != want {
				t.Errorf("%s, with %s certificate: %v", area, tt.name, fails)
			}
			if want && area != "mysql" && !strings.Contains(fails[0].Do, ".tls_cert") {
				t.Errorf("%s, with %s certificate: %v", area, tt.name, fails)
			}
		}
	}
}
