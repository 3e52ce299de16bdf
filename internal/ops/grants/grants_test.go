package grants

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chat-service/internal/broker"
	"chat-service/internal/broker/rights"
	"chat-service/internal/ops/management"
	"chat-service/internal/state"
	"chat-service/internal/store/operator"
)

func plan(dir string) Plan {
	return Plan{Names: "chat", From: "%", Database: "chat_service", VHost: "/", Passwords: dir}
}

func TestPrintShowsNoPassword(t *testing.T) {
	dir := t.TempDir()
	p := plan(dir)
	for _, s := range Servers() {
		for _, u := range p.Users(s) {
			if err := os.WriteFile(filepath.Join(dir, u.File()), []byte("very secret\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for server, lines := range map[Server][]string{
		MySQL: {
			"CREATE USER IF NOT EXISTS 'chat_api'@'%' IDENTIFIED BY <the password in " + dir + "/mysql_api>;",
			"GRANT SELECT, INSERT, UPDATE (kind, content, data) ON `chat_service`.messages TO 'chat_api'@'%';",
			"GRANT SELECT, UPDATE (last_seen, skeleton) ON `chat_service`.users TO 'chat_worker'@'%';",
			"GRANT " + operator.MigrationRights + " ON `chat\\_service`.* TO 'chat_migration'@'%';",
		},
		RabbitMQ: {
			"rabbitmqctl add_user chat_gateway < " + dir + "/rabbitmq_gateway",
			`rabbitmqctl set_permissions -p / chat_gateway '^(chat\.gw\..+)$' '^(chat\.in|chat\.gw\..+)$' '^(chat\.out|chat\.gw\..+)$'`,
		},
		Redis: {"ACL SETUSER chat_api reset on #" + state.PasswordHash("very secret") + " -@all +ping "},
	} {
		var b strings.Builder
		if err := p.Print(&b, server); err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if !strings.Contains(b.String(), line) {
				t.Errorf("%s: nothing of %s in\n%s", server, line, &b)
			}
		}
		if strings.Contains(b.String(), "very secret") {
			t.Errorf("%s shows a password", server)
		}
	}
	var b strings.Builder
	if err := plan("").Print(&b, Redis); err != nil || !strings.Contains(b.String(), "#<SHA-256 of the password in redis_worker>") {
		t.Errorf("without passwords: %v\n%s", err, &b)
	}
}

// TestPrintBeginsWithWhatTheLinesAreFor: who sees them for the first time learns where to paste them, and that they needn't.
func TestPrintBeginsWithWhatTheLinesAreFor(t *testing.T) {
	for server, where := range map[Server]string{MySQL: "into mysql", RabbitMQ: "in a shell", Redis: "into redis-cli"} {
		for dir, told := range map[string]bool{"": true, t.TempDir(): false} {
			var b strings.Builder
			if err := plan(dir).Print(&b, server); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(b.String(), "\n")
			from := slices.IndexFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "# ") })
			head := strings.Join(lines[:from], "\n")
			for _, part := range []string{"# " + string(server) + ": ", where, "--apply --passwords DIR"} {
				if !strings.Contains(head, part) {
					t.Errorf("%s: nothing of %q in\n%s", server, part, head)
				}
			}
			if strings.Contains(head, "--passwords DIR alone") != told {
				t.Errorf("%s, passwords in %q:\n%s", server, dir, head)
			}
			if strings.Contains(strings.Join(lines[from:], "\n"), "# ") {
				t.Errorf("%s: a comment between the lines:\n%s", server, &b)
			}
		}
	}
}

func TestPasswordsAreMadeOnce(t *testing.T) {
	p := plan(filepath.Join(t.TempDir(), "new"))
	u := p.Users(MySQL)[0]
	if _, err := p.Password(u, false); err == nil {
		t.Error("a password came from nowhere")
	}
	one, err := p.Password(u, true)
	two, again := p.Password(u, true)
	if err != nil || again != nil || one != two || len(one) < 26 {
		t.Errorf("%q %v, then %q %v", one, err, two, again)
	}
	info, err := os.Stat(filepath.Join(p.Passwords, u.File()))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(p.Passwords, u.File()), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Password(u, true); err == nil {
		t.Error("an empty file is a password")
	}
}

type fakeServer struct {
	users  map[string]string // name → password or rules
	fails  error
	unsafe error
}

func (f *fakeServer) Grant(_ context.Context, a operator.Account, password string) error {
	f.users[a.Name] = password
	return f.fails
}

func (f *fakeServer) SetUser(_ context.Context, name string, rules []string) error {
	f.users[name] = strings.Join(rules, " ")
	return f.fails
}

func (f *fakeServer) SaveUsers(context.Context) error { return f.unsafe }

func TestApply(t *testing.T) {
	p := plan(t.TempDir())
	sql, cache := &fakeServer{users: map[string]string{}}, &fakeServer{users: map[string]string{}, unsafe: state.ErrVolatile}
	if err := p.ApplySQL(t.Context(), sql); err != nil || len(sql.users) != 4 || sql.users["chat_api"] == sql.users["chat_worker"] {
		t.Errorf("%v %v", sql.users, err)
	}
	if err := p.ApplyRedis(t.Context(), cache); !errors.Is(err, state.ErrVolatile) || len(cache.users) != 3 {
		t.Errorf("%v %v", cache.users, err)
	}
	password, _ := p.Password(p.Users(Redis)[0], false)
	if rules := cache.users["chat_api"]; !strings.HasPrefix(rules, "reset on #"+state.PasswordHash(password)+" ") || strings.Contains(rules, password) {
		t.Errorf("rules %s", rules)
	}
	sql.fails = errors.New("refused")
	if err := p.ApplySQL(t.Context(), sql); !errors.Is(err, sql.fails) {
		t.Error(err)
	}
}

func TestManagement(t *testing.T) {
	type call struct {
		method, path string
		body         map[string]string
	}
	var calls []call
	var policies []string
	version := "4.2.9"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := call{method: r.Method, path: r.URL.EscapedPath()}
		if user, password, _ := r.BasicAuth(); user != "admin" || password != "p@ss" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"rabbitmq_version": "`+version+`"}`)
			return
		}
		b, _ := io.ReadAll(r.Body)
		if strings.HasPrefix(c.path, "/api/policies/") {
			policies = append(policies, c.path+" "+string(b))
			return
		}
		if err := json.Unmarshal(b, &c.body); err != nil {
			t.Error(err)
		}
		calls = append(calls, c)
		if strings.Contains(c.path, "broken") {
			http.Error(w, "no such thing", http.StatusNotFound)
		}
	}))
	defer server.Close()
	withAdmin := strings.Replace(server.URL, "http://", "http://admin:p%40ss@", 1)
	m, err := management.New(withAdmin, "somebody", "else", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	p := plan(t.TempDir())
	if err := p.ApplyRabbitMQ(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if len(calls) != 6 || calls[0].path != "/api/users/chat_gateway" || calls[1].path != "/api/permissions/%2F/chat_gateway" || calls[0].method != http.MethodPut {
		t.Errorf("%v", calls)
	}
	if calls[0].body["tags"] != "" || len(calls[0].body["password"]) < 26 || calls[1].body["configure"] != `^(chat\.gw\..+)$` {
		t.Errorf("%v", calls[:2])
	}
	if len(policies) != 0 {
		t.Errorf("a broker that doesn't know the policy's key was given %v", policies)
	}
	version = "4.3.0"
	want := `/api/policies/%2F/chat-consumers {"pattern":"^chat\\.","definition":{"consumer-disconnected-timeout":1000},"apply-to":"quorum_queues"}`
	if err := p.ApplyRabbitMQ(t.Context(), m); err != nil || len(policies) != 1 || policies[0] != want {
		t.Errorf("%v: %v, want %s", err, policies, want)
	}
	if err := setUser(t.Context(), m, "/", account{name: "broken", password: "x"}); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Error(err)
	}
	stranger, err := management.New(server.URL, "guest", "guest", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.ApplyRabbitMQ(t.Context(), stranger); err == nil || !strings.Contains(err.Error(), "refuses user guest") || strings.Contains(err.Error(), "p@ss") {
		t.Error(err)
	}
	server.Close()
	if err := p.ApplyRabbitMQ(t.Context(), m); err == nil || !strings.Contains(err.Error(), "is its plugin enabled") || strings.Contains(err.Error(), "p@ss") {
		t.Error(err)
	}
	for _, bad := range []string{"", "mq1:15672", "amqp://mq1"} {
		if _, err := management.New(bad, "", "", nil); err == nil {
			t.Errorf("%q is an address", bad)
		}
	}
}

// TestBusRights: the expressions match the names that the bus uses, and nothing beside them.
func TestBusRights(t *testing.T) {
	o := broker.Options{Prefix: "chat.eu"}
	for role, tt := range map[rights.Role]struct{ configure, not []string }{
		rights.Gateway: {[]string{o.GatewayQueue("gw1", "x")}, []string{o.In(0).Exchange, "chat.eu.in.0", "chat.eu.control", "chatXeu.gw.gw1.x", "a.chat.eu.gw.gw1.x"}},
		rights.Worker:  {[]string{o.In(0).Exchange, o.Out().Exchange, "chat.eu.dead", o.Control().Key, "chat.eu.in.17"}, []string{"chat.eu.in.", "chat.eu.in.x", "chat.eu.gw.gw1.x"}},
	} {
		re := regexp.MustCompile(o.Rights(role).Configure)
		for _, name := range tt.configure {
			if !re.MatchString(name) {
				t.Errorf("%s may not configure %s", role, name)
			}
		}
		for _, name := range tt.not {
			if re.MatchString(name) {
				t.Errorf("%s may configure %s", role, name)
			}
		}
	}
}

// TestNeeds: the table for documents names every role that has a user somewhere.
func TestNeeds(t *testing.T) {
	var roles []string
	for _, n := range Needs() {
		for r, what := range n.By {
			if what != "" && !slices.Contains(roles, r) {
				roles = append(roles, r)
			}
		}
	}
	slices.Sort(roles)
	if got := strings.Join(roles, " "); got != "api gateway migration operator worker" {
		t.Errorf("roles %s", got)
	}
}
