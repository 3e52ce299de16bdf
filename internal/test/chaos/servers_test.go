//go:build chaos

package chaos

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
)

// servers are MySQL, Redis and RabbitMQ of a run's own. Whichever is killed is started again by the stack, with its data.
type servers struct {
	dir *stack.Dir
	st  *stack.Stack
}

// Where a run keeps its servers' data, and what it leaves behind when it fails.
const (
	dirVar   = "CHAOS_DIR"
	cacheVar = "CHAT_PKG_CACHE"
)

func startServers(t *testing.T) *servers {
	t.Helper()
	path := os.Getenv(dirVar)
	if path == "" {
		path = filepath.Join(testkit.Root(t), ".run", "chaos")
	}
	out := stack.NewProgress(os.Stdout)
	dir, err := stack.OpenDir(path, out)
	if err != nil {
		t.Fatalf("private servers: %v", err)
	}
	if err := dir.ClearData(); err != nil {
		t.Fatalf("private servers: %v", err)
	}
	cache := os.Getenv(cacheVar)
	if cache == "" {
		cache = filepath.Join(testkit.Root(t), ".run", "pkg")
	}
	st, err := stack.Up(context.WithoutCancel(t.Context()), stack.Options{
		Dir: dir, Out: out, PkgCache: cache, Kinds: []stack.Kind{stack.MySQL, stack.Redis, stack.RabbitMQ},
	})
	if err != nil {
		_ = dir.Close()
		t.Fatalf("private servers: %v", err)
	}
	s := &servers{dir: dir, st: st}
	for name, value := range map[string]string{
		testkit.MySQLVar: s.server(stack.MySQL).DSN(), testkit.RedisVar: s.server(stack.Redis).Addr(), testkit.AMQPVar: s.server(stack.RabbitMQ).AMQPURL(),
	} {
		if err := os.Setenv(name, value); err != nil { //nolint:usetesting // all later tests of the process need it, too
			t.Fatal(err)
		}
	}
	return s
}

// stop ends the servers; their logs stay where something failed.
func (s *servers) stop(passed bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s.st.Stop(ctx)
	_ = s.dir.ClearData()
	_ = s.dir.Close()
	for _, b := range []string{shared.plain, shared.faulty} {
		if b != "" {
			_ = os.RemoveAll(b)
		}
	}
	if passed {
		_ = os.RemoveAll(filepath.Join(s.dir.Path(), "log"))
	}
}

func (s *servers) server(k stack.Kind) stack.Server {
	srv, _ := s.st.Server(k)
	return srv
}

// pid is the process that serves now; 0 while there is none.
func (s *servers) pid(k stack.Kind) int {
	b, err := os.ReadFile(filepath.Join(s.dir.Path(), "pids.json"))
	if err != nil {
		return 0
	}
	pids := map[string]int{}
	if json.Unmarshal(b, &pids) != nil {
		return 0
	}
	return pids[string(k)]
}

// signal signals a server's process group.
func (s *servers) signal(k stack.Kind, sig syscall.Signal) error {
	pid := s.pid(k)
	if pid == 0 {
		return fmt.Errorf("%s is not running", k)
	}
	if err := syscall.Kill(-pid, sig); err != nil {
		return syscall.Kill(pid, sig)
	}
	return nil
}

// kill ends a server at once and waits until its process is gone. Then first runs, before the next one is started.
func (s *servers) kill(ctx context.Context, k stack.Kind, first func() error) error {
	pid := s.pid(k)
	if err := s.signal(k, syscall.SIGKILL); err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); s.pid(k) == pid; {
		if time.Now().After(end) {
			return fmt.Errorf("%s survives SIGKILL", k)
		}
		pause(ctx, 2*time.Millisecond)
	}
	if first != nil {
		return first()
	}
	return nil
}

// wipe takes RabbitMQ's data away; it must be down.
func (s *servers) wipe() error {
	mnesia := filepath.Join(s.dir.DataPath(string(stack.RabbitMQ)), "mnesia")
	gone := fmt.Sprintf("%s.%d", mnesia, time.Now().UnixNano())
	if err := os.Rename(mnesia, gone); err != nil {
		return err
	}
	if err := os.Mkdir(mnesia, 0o755); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// open waits until a server's port takes clients, and returns when that was.
func (s *servers) open(ctx context.Context, k stack.Kind) (time.Time, error) {
	end := time.Now().Add(90 * time.Second)
	for {
		err := s.greets(k)
		if err == nil {
			return time.Now(), nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return time.Time{}, fmt.Errorf("%s does not come back: %w", k, err)
		}
		pause(ctx, 20*time.Millisecond)
	}
}

func (s *servers) greets(k stack.Kind) error {
	addr := s.server(k).Addr()
	if k == stack.Redis {
		r, err := testkit.DialRedis(addr, 0)
		if err != nil {
			return err
		}
		return r.Close()
	}
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if k == stack.RabbitMQ {
		if _, err := io.WriteString(c, "AMQP\x00\x00\x09\x01"); err != nil {
			return err
		}
	}
	_, err = c.Read(make([]byte, 1))
	return err
}

// databaseUser makes the account that the product uses, once: unlike the administrator it obeys read_only.
func (w *world) databaseUser(t testing.TB) (name, password string) {
	t.Helper()
	db, err := sql.Open("mysql", testkit.MySQLDSN(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	name, password = "chaos", "chaos"
	for _, q := range []string{
		"CREATE USER IF NOT EXISTS 'chaos'@'%' IDENTIFIED BY 'chaos'", "GRANT ALL ON `t\\_%`.* TO 'chaos'@'%'",
	} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	return name, password
}
