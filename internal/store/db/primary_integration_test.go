//go:build integration

package db

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/faultproxy"
)

// account is a user of both servers whose writes read_only refuses.
const account, word = "chat", "chat-word-7"

// private starts a server of the test's own, with a database and the account; on runs statements as its administrator.
func private(t *testing.T, kind stack.Kind) (srv stack.Server, on func(q string)) {
	t.Helper()
	cache := os.Getenv("CHAT_PKG_CACHE")
	if cache == "" {
		cache = filepath.Join(testkit.Root(t), ".run", "pkg")
	}
	out := stack.NewProgress(os.Stderr)
	dir, err := stack.OpenDir(t.TempDir(), out)
	if err != nil {
		t.Fatal(err)
	}
	s, err := stack.Up(t.Context(), stack.Options{Dir: dir, Out: out, PkgCache: cache, Kinds: []stack.Kind{kind}})
	if err != nil {
		_ = dir.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.Stop(ctx)
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	srv, _ = s.Server(kind)
	admin, err := sql.Open("mysql", srv.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	on = func(q string) {
		t.Helper()
		if _, err := admin.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	on("CREATE USER " + account + "@'127.0.0.1' IDENTIFIED BY '" + word + "'")
	on("GRANT ALL ON " + srv.Database + ".* TO " + account + "@'127.0.0.1'")
	on("CREATE TABLE " + srv.Database + ".t (n BIGINT PRIMARY KEY AUTO_INCREMENT, by_port INT NOT NULL)")
	return srv, on
}

// logBuffer collects the log of several goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// moved is a store behind a proxy in front of two servers, a and b.
type moved struct {
	a, b     stack.Server
	onA, onB func(q string)
	proxy    *faultproxy.Proxy
	log      logBuffer
	d        *DB
}

// again is a new store and proxy in front of the same servers, both of which take writes.
func (p *moved) again(t *testing.T) *moved {
	t.Helper()
	m := &moved{a: p.a, b: p.b, onA: p.onA, onB: p.onB}
	m.onA("SET GLOBAL read_only=OFF")
	m.onB("SET GLOBAL read_only=OFF")
	var err error
	m.proxy = faultproxy.New(t, m.a.Addr())
	host, port, _ := net.SplitHostPort(m.proxy.Addr())
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	m.d, err = Open(Options{Host: host, Port: n, User: account, Password: word, DBName: m.a.Database, Logger: slog.New(slog.NewTextHandler(&m.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.d.Close() })
	return m
}

// warm leaves so many idle connections in both pools, all to where the proxy leads.
func (m *moved) warm(t *testing.T) {
	t.Helper()
	var begun, done sync.WaitGroup
	for range 4 {
		begun.Add(2)
		done.Go(func() {
			err := m.d.Tx(t.Context(), "warm", Once, func(tx Tx) error {
				begun.Done()
				begun.Wait()
				return tx.Exec("DO 1").Error
			})
			if err != nil {
				t.Error(err)
			}
		})
		done.Go(func() {
			err := m.d.Play(t.Context(), "warm", Once, func(Ask) ([]*Statement, error) {
				begun.Done()
				begun.Wait()
				return nil, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
}

func (m *moved) write(ctx context.Context) error {
	return m.d.Tx(ctx, "write", Once, func(tx Tx) error { return tx.Exec("INSERT INTO t (by_port) VALUES (@@port)").Error })
}

// script writes by the other pool, in the packet that commits.
func (m *moved) script(ctx context.Context) error {
	return m.d.Play(ctx, "write", Once, func(Ask) ([]*Statement, error) {
		var s Statement
		s.Add("INSERT INTO t (by_port) VALUES (@@port)")
		return []*Statement{&s}, nil
	})
}

// readers are the ports of the servers that answer, with as many reads at once as connections were warmed.
func (m *moved) readers(t *testing.T) map[int]bool {
	t.Helper()
	var mu sync.Mutex
	ports := map[int]bool{}
	var begun, done sync.WaitGroup
	for range 4 {
		begun.Add(1)
		done.Go(func() {
			var port int
			once := sync.OnceFunc(begun.Done)
			err := m.d.Tx(t.Context(), "read", Once, func(tx Tx) error {
				once()
				begun.Wait()
				return tx.Raw("SELECT @@port").Row().Scan(&port)
			})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			ports[port] = true
			mu.Unlock()
		})
	}
	done.Wait()
	return ports
}

// TestDemotedPrimary: a server that takes no writes any more is left at once, by those who only read, too, and not used again, wherever
// the name leads; when it leads to the new one, work goes on there.
func TestDemotedPrimary(t *testing.T) {
	for kind, demote := range map[stack.Kind]string{stack.MySQL: "SET GLOBAL read_only=ON", stack.MySQL8: "SET GLOBAL super_read_only=ON"} {
		t.Run(string(kind), func(t *testing.T) {
			servers := &moved{}
			servers.a, servers.onA = private(t, kind)
			servers.b, servers.onB = private(t, kind)
			for name, write := range map[string]func(*moved, context.Context) error{"statements": (*moved).write, "scripts": (*moved).script} {
				t.Run(name, func(t *testing.T) { testDemoted(t, servers.again(t), demote, write) })
			}
			t.Run("readers", func(t *testing.T) { testReaders(t, servers.again(t), demote) })
		})
	}
}

func testDemoted(t *testing.T, m *moved, demote string, write func(*moved, context.Context) error) {
	ctx := t.Context()
	if err := write(m, ctx); err != nil {
		t.Fatal(err)
	}
	m.warm(t)
	m.onA(demote)
	err := write(m, ctx)
	if chat.KindOf(err) != chat.Unavailable || !strings.Contains(fmt.Sprint(err), "takes no writes") {
		t.Fatalf("a write to a demoted primary: %v, want unavailable", err)
	}
	if n := m.d.Stats().OpenConnections; n > 8 { // what is closed the pools find out when they look
		t.Errorf("%d connections", n)
	}
	if err := m.d.TakesWrites(ctx); err == nil || !strings.Contains(err.Error(), "lead database.host to the primary") || chat.AsPermanent(err) != nil {
		t.Errorf("readiness: %v, want what to do, and no end of the process", err)
	}
	if n := m.log.count(noWrites); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, &m.log.b)
	}
	m.proxy.Lead(m.b.Addr())
	if err := write(m, ctx); err != nil {
		t.Errorf("at the new primary: %v", err)
	}
	if got := m.readers(t); len(got) != 1 || !got[m.b.Port] {
		t.Errorf("servers at ports %v answer, want %d alone", got, m.b.Port)
	}
	if err := m.d.TakesWrites(ctx); err != nil {
		t.Error(err)
	}
	m.warm(t)
	m.onB(demote)
	_ = m.write(ctx)
	if err := m.d.Close(); err != nil {
		t.Errorf("close, with connections that are closed already: %v", err)
	}
	if n := m.log.count("the primary is another server now"); n != 1 {
		t.Errorf("said %d times that there is another primary, want once:\n%s", n, &m.log.b)
	}
}

// testReaders: nobody writes, and the old primary's connections stay open.
func testReaders(t *testing.T, m *moved, demote string) {
	m.warm(t)
	m.proxy.Lead(m.b.Addr())
	if got := m.readers(t); !got[m.a.Port] {
		t.Fatalf("servers at ports %v answer: the test wants open connections to %d", got, m.a.Port)
	}
	m.onA(demote)
	if err := m.d.TakesWrites(t.Context()); err == nil { // as /readyz does
		t.Error("the old primary is taken for one that takes writes")
	}
	if got := m.readers(t); len(got) != 1 || !got[m.b.Port] {
		t.Errorf("servers at ports %v answer after readiness was asked, want %d alone", got, m.b.Port)
	}
	// Back to a, which takes writes again: a single new connection shows it, and the others are closed.
	m.onA("SET GLOBAL read_only=OFF")
	m.proxy.Lead(m.a.Addr())
	m.onB(demote)
	conn, err := m.d.scripts.Conn(t.Context()) // this pool has only connections that were closed
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if got := m.readers(t); len(got) != 1 || !got[m.a.Port] {
		t.Errorf("servers at ports %v answer after a connection to another server, want %d alone", got, m.a.Port)
	}
}
