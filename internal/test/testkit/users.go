package testkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// grant makes a user for each process on each server, by the product's own command. From then on chatctl is the operator's user, too.
// Where the environment gives a broker without its HTTP API, the processes share the tests' own account there.
func (f *Fleet) grant(t testing.TB, o FleetOptions) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"grants", "--apply", "--passwords", dir, "--only"}
	if api := os.Getenv(BrokerAPIVar); api != "" {
		args = append(args, "mysql,rabbitmq,redis", "--rabbitmq-api", api)
	} else {
		args = append(args, "mysql,redis")
	}
	t.Cleanup(func() { DropUsers(t, f.DB.DSN, f.RedisAddr, f.Prefix) })
	f.Chatctl(t, args...)
	f.passwords, f.admin = dir, f.operator
	f.operator = environ(f.environment(t, o, "chatctl", "chatctl"))
}

// Grant makes the users again, as the administrator, and returns what chatctl printed.
func (f *Fleet) Grant(t testing.TB, args ...string) string {
	t.Helper()
	out, err := f.grants(t, args)
	if err != nil {
		t.Fatalf("chatctl grants %v: %v\n%s", args, err, out)
	}
	return out
}

// GrantFails is Grant where chatctl must fail.
func (f *Fleet) GrantFails(t testing.TB, args ...string) string {
	t.Helper()
	out, err := f.grants(t, args)
	if err == nil {
		t.Fatalf("chatctl grants %v succeeds\n%s", args, out)
	}
	return out
}

func (f *Fleet) grants(t testing.TB, args []string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), readyPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(f.build.Bin, "chatctl"), append([]string{"grants", "--apply", "--passwords", f.passwords}, args...)...)
	cmd.Dir, cmd.Env = f.build.Root, f.admin
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Migrate runs chatctl migrate once more, as the user that is made for it.
func (f *Fleet) Migrate(t testing.TB) string {
	t.Helper()
	all := f.admin
	if name, password, ok := f.User(t, "mysql", "migration"); ok {
		all = append(slices.Clip(all), "CHAT_DATABASE_USER="+name, "CHAT_DATABASE_PASSWORD="+password)
	}
	return f.chatctl(t, all, "migrate")
}

// User is the name and password of a process's user on a server ("mysql", "rabbitmq", "redis"); ok is false if it has none.
func (f *Fleet) User(t testing.TB, server, kind string) (name, password string, ok bool) {
	t.Helper()
	if kind == "chatctl" {
		kind = "operator"
	}
	b, err := os.ReadFile(filepath.Join(f.passwords, server+"_"+kind))
	if f.passwords == "" || errors.Is(err, os.ErrNotExist) {
		return "", "", false
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.Prefix + "_" + kind, strings.TrimSpace(string(b)), true
}

// few gives a process its own users, and takes the servers away that it has none on.
func (f *Fleet) few(t testing.TB, kind string, env map[string]string) {
	t.Helper()
	if f.passwords == "" {
		return
	}
	set := func(server, prefix, user string) {
		name, password, ok := f.User(t, server, kind)
		if ok {
			env[prefix+user], env[prefix+"PASSWORD"] = name, password
			return
		}
		for k := range env {
			if strings.HasPrefix(k, prefix) {
				delete(env, k)
			}
		}
	}
	set("mysql", "CHAT_DATABASE_", "USER")
	set("redis", "CHAT_REDIS_", "USERNAME")
	name, password, ok := f.User(t, "rabbitmq", kind)
	u, err := url.Parse(env["CHAT_RABBITMQ_URL"])
	if err != nil {
		t.Fatalf("%s: not a URL", AMQPVar)
	}
	switch {
	case ok:
		u.User = url.UserPassword(name, password)
		env["CHAT_RABBITMQ_URL"] = u.String()
	case kind == "api":
		delete(env, "CHAT_RABBITMQ_URL")
	}
}

// DropUsers removes the users that `chatctl grants` has made on the tests' servers for a prefix.
func DropUsers(t testing.TB, dsn, redis, prefix string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if db, err := sql.Open("mysql", dsn); err == nil {
		defer db.Close()
		for _, role := range []string{"api", "worker", "operator", "migration"} {
			if _, err := db.ExecContext(ctx, "DROP USER IF EXISTS '"+prefix+"_"+role+"'@'%'"); err != nil {
				t.Logf("drop the test's user: %v", err)
			}
		}
	}
	if r, err := DialRedis(redis, 0); err == nil {
		_, err := r.Do("ACL", "DELUSER", prefix+"_api", prefix+"_worker", prefix+"_operator")
		if err = errors.Join(err, r.Close()); err != nil {
			t.Logf("drop the test's user: %v", err)
		}
	}
	if api := os.Getenv(BrokerAPIVar); api != "" {
		for _, role := range []string{"gateway", "worker", "operator"} {
			if err := deleteBrokerUser(ctx, api, prefix+"_"+role); err != nil {
				t.Logf("drop the test's user: %v", err)
			}
		}
	}
}

func deleteBrokerUser(ctx context.Context, api, name string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, strings.TrimRight(api, "/")+"/api/users/"+name, nil)
	if err != nil {
		return err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode/100 != 2 && res.StatusCode != http.StatusNotFound {
		return fmt.Errorf("RabbitMQ: delete user %s: %s", name, res.Status)
	}
	return nil
}
