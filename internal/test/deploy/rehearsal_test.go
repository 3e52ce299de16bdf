//go:build e2e

package deploy

import (
	"bytes"
	"context"
	"database/sql"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"chat-service/internal/test/testkit"
)

// rehearsal runs compose.yaml's services of ours as processes on the tests' servers: their commands, variables, secrets and health checks.
// What only an engine does (images, networks, mounts) isn't tried.
type rehearsal struct {
	compose
	bin, root, secrets string
	prefix             string
	replace            *strings.Replacer
	amqp               *url.URL
	sql                *mysql.Config
}

// TestComposeRehearsal: the jobs make schema and users, and the processes become ready with them, by their own health checks.
func TestComposeRehearsal(t *testing.T) {
	r := &rehearsal{compose: read(t), bin: testkit.Binaries(t), root: testkit.Root(t), secrets: secretsOf(t), prefix: testkit.FreshPrefix(t)}
	var err error
	if r.amqp, err = url.Parse(testkit.AMQPURL(t)); err != nil {
		t.Fatal(err)
	}
	if r.sql, err = mysql.ParseDSN(testkit.MySQLDSN(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.clean(t) })
	r.write(t, "mysql_root", r.sql.Passwd)
	r.write(t, "rabbitmq_administrator_url", r.amqp.String())
	for _, role := range []string{"gateway", "worker", "operator"} {
		password, err := os.ReadFile(filepath.Join(r.secrets, "rabbitmq_"+role))
		if err != nil {
			t.Fatal(err)
		}
		u := *r.amqp
		u.User = url.UserPassword(r.prefix+"_"+role, strings.TrimSpace(string(password)))
		r.write(t, "rabbitmq_"+role+"_url", u.String())
	}
	r.replace = strings.NewReplacer("/run/secrets", r.secrets, "/etc/chat", filepath.Join(r.root, "configs"), "http://rabbitmq:15672", testkit.BrokerAPI(t))

	r.job(t, "migrate")
	r.job(t, "grants")
	ports := map[string]string{}
	for _, name := range []string{"worker", "gateway1", "gateway2", "api"} {
		s := r.Services[name]
		env := r.env(s)
		_, ports[name] = testkit.FreeAddr(t)
		env["CHAT_DEBUG_PORT"] = ports[name]
		if env["CHAT_SERVER_PORT"] != "" {
			_, env["CHAT_SERVER_PORT"] = testkit.FreeAddr(t)
			env["CHAT_SERVER_HOST"] = "127.0.0.1"
		}
		if env["CHAT_DEBUG_HOST"] != "" {
			env["CHAT_DEBUG_HOST"] = "127.0.0.1"
		}
		config := filepath.Join(r.root, "configs", s.program()+".yaml") // the image's command
		if out, err := r.run(t, env, s.program(), "-config", config, "-check"); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		log := r.start(t, env, s.program(), "-config", config)
		if s.Healthcheck.Test[0] != "CMD" || s.Healthcheck.Test[1] != "/"+s.program() {
			t.Fatalf("%s: health check %v", name, s.Healthcheck.Test)
		}
		testkit.Eventually(t, 90*time.Second, func() (bool, string) {
			out, err := r.run(t, env, s.program(), s.Healthcheck.Test[2:]...)
			return err == nil, name + ": " + out + "\n" + log.String()
		})
		if strings.Contains(log.String(), "is root") {
			t.Errorf("%s is an administrator:\n%s", name, log)
		}
	}
	r.job(t, "chatctl")
}

func (r *rehearsal) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.secrets, name), []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// env is a service's environment on the tests' servers, with names of the test's own. Redis has no password there for its administrator.
func (r *rehearsal) env(s *service) map[string]string {
	env := map[string]string{}
	for k, v := range s.Environment {
		env[k] = r.replace.Replace(v)
	}
	if env["CHAT_DATABASE_HOST"] != "" {
		env["CHAT_DATABASE_HOST"], env["CHAT_DATABASE_PORT"], _ = net.SplitHostPort(r.sql.Addr)
		env["CHAT_DATABASE_DBNAME"] = r.prefix
	}
	if host := env["CHAT_REDIS_HOST"]; host != "" {
		env["CHAT_REDIS_HOST"], env["CHAT_REDIS_PORT"], _ = net.SplitHostPort(os.Getenv(testkit.RedisVar))
		if env["CHAT_REDIS_USERNAME"] == "" {
			delete(env, "CHAT_REDIS_PASSWORD_FILE")
		}
	}
	for _, k := range []string{"CHAT_DATABASE_USER", "CHAT_REDIS_USERNAME"} {
		if rest, ok := strings.CutPrefix(env[k], "chat_"); ok {
			env[k] = r.prefix + "_" + rest
		}
	}
	env["CHAT_RABBITMQ_EXCHANGE"], env["CHAT_RABBITMQ_QUEUE_TYPE"] = r.prefix, "classic"
	return env
}

func (r *rehearsal) command(ctx context.Context, env map[string]string, program string, args ...string) *exec.Cmd {
	for i := range args {
		args[i] = r.replace.Replace(args[i])
	}
	cmd := exec.CommandContext(ctx, filepath.Join(r.bin, program), args...)
	cmd.Dir = os.TempDir() // no configs, no .run: as in the image
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "CHAT_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

func (r *rehearsal) run(t *testing.T, env map[string]string, program string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := r.command(ctx, env, program, append([]string{}, args...)...).CombinedOutput()
	return string(out), err
}

// job runs a service that must succeed, and shows no password.
func (r *rehearsal) job(t *testing.T, name string) {
	t.Helper()
	s := r.Services[name]
	out, err := r.run(t, r.env(s), s.program(), s.Command...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	if regexp.MustCompile(`[0-9a-f]{64}`).MatchString(out) {
		t.Errorf("%s shows a password:\n%s", name, out)
	}
}

// output is what a process says.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs a process until the test ends.
func (r *rehearsal) start(t *testing.T, env map[string]string, program string, args ...string) *output {
	t.Helper()
	o := &output{}
	cmd := r.command(context.Background(), env, program, args...)
	cmd.Stdout, cmd.Stderr = o, o
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
	})
	return o
}

// clean removes what the jobs made.
func (r *rehearsal) clean(t *testing.T) {
	t.Helper()
	if db, err := sql.Open("mysql", r.sql.FormatDSN()); err == nil {
		defer db.Close()
		if _, err := db.ExecContext(context.Background(), "DROP DATABASE IF EXISTS "+r.prefix); err != nil {
			t.Log(err)
		}
	}
	testkit.DropUsers(t, r.sql.FormatDSN(), os.Getenv(testkit.RedisVar), r.prefix)
}
