//go:build chaos

package cluster

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/faultproxy"
)

// flowWithin bounds how long acks may take once another server takes writes behind the name. It took 0.0 s to 0.9 s; the rest is for a machine
// that does something else.
const flowWithin = 15 * time.Second

// dialect is what MariaDB and MySQL call by different names. All of their servers start read-only, as docs/clusters.md has it.
type dialect struct {
	kind           stack.Kind
	args           []string
	source, mirror []string // statements: semi-synchronous replication on either side
	follow         string   // with host, port
	start, stop    string
	promote        string
	demote         string
}

var dialects = []dialect{
	{
		kind:   stack.MySQL,
		args:   []string{"--log-bin=bin", "--sync-binlog=1", "--read-only=ON", "--binlog-format=ROW"},
		source: []string{"SET GLOBAL rpl_semi_sync_master_timeout=10000", "SET GLOBAL rpl_semi_sync_master_wait_point=AFTER_SYNC", "SET GLOBAL rpl_semi_sync_master_enabled=ON"},
		mirror: []string{"SET GLOBAL rpl_semi_sync_slave_enabled=ON"},
		follow: "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='repl', MASTER_PASSWORD='repl-word', MASTER_CONNECT_RETRY=1",
		start:  "START SLAVE", stop: "STOP SLAVE", promote: "SET GLOBAL read_only=OFF", demote: "SET GLOBAL read_only=ON",
	},
	{
		kind: stack.MySQL8,
		args: []string{"--log-bin=bin", "--sync-binlog=1", "--super-read-only=ON", "--gtid-mode=ON", "--enforce-gtid-consistency=ON"},
		source: []string{
			"INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'", "SET GLOBAL rpl_semi_sync_source_timeout=10000",
			"SET GLOBAL rpl_semi_sync_source_enabled=ON",
		},
		mirror: []string{"INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'", "SET GLOBAL rpl_semi_sync_replica_enabled=ON"},
		follow: "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=%d, SOURCE_USER='repl', SOURCE_PASSWORD='repl-word', " +
			"SOURCE_CONNECT_RETRY=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_AUTO_POSITION=1",
		start: "START REPLICA", stop: "STOP REPLICA", promote: "SET GLOBAL read_only=OFF", demote: "SET GLOBAL super_read_only=ON",
	},
}

// copyOf is one server of a pair, and its administrator.
type copyOf struct {
	stack.Server
	dir *stack.Dir
	db  *sql.DB
}

func (c *copyOf) must(t *testing.T, qs ...string) {
	t.Helper()
	for _, q := range qs {
		if _, err := c.db.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// startCopy starts a server on a directory of its own.
func startCopy(t *testing.T, d dialect, id int) *copyOf {
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
	s, err := stack.Up(t.Context(), stack.Options{
		Dir: dir, Out: out, PkgCache: cache, Kinds: []stack.Kind{d.kind},
		Extra: map[stack.Kind][]string{d.kind: append(slices.Clone(d.args), fmt.Sprintf("--server-id=%d", id))},
	})
	if err != nil {
		_ = dir.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.Stop(ctx)
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &copyOf{dir: dir}
	c.Server, _ = s.Server(d.kind)
	if c.db, err = sql.Open("mysql", c.DSN()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.db.Close() })
	return c
}

// status is what a replica says of its replication.
func (c *copyOf) status(t *testing.T) map[string]string {
	t.Helper()
	rows, err := c.db.QueryContext(t.Context(), "SHOW REPLICA STATUS")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil || !rows.Next() {
		t.Fatalf("no replication: %v, %v", err, rows.Err())
	}
	cells, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range cells {
		into[i] = &cells[i]
	}
	if err := rows.Scan(into...); err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for i, name := range names {
		said[strings.NewReplacer("Source", "Master", "Replica", "Slave").Replace(name)] = cells[i].String
	}
	return said
}

// pair is a primary and its replica, behind a proxy that leads to the primary.
type pair struct {
	dialect
	a, b  *copyOf
	proxy *faultproxy.Proxy
}

func startPair(t *testing.T, d dialect) *pair {
	t.Helper()
	p := &pair{dialect: d, a: startCopy(t, d, 1), b: startCopy(t, d, 2)}
	p.a.must(t, d.promote)
	p.a.must(t, "CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'repl-word'", "GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'")
	p.a.must(t, d.source...)
	p.b.must(t, d.promote) // a plugin is a row of a table
	p.b.must(t, d.mirror...)
	p.b.must(t, d.demote)
	if d.kind == stack.MySQL8 {
		p.b.must(t, "RESET BINARY LOGS AND GTIDS")
	}
	p.b.must(t, fmt.Sprintf(d.follow, p.a.Port), d.start)
	p.proxy = faultproxy.New(t, p.a.Addr())
	testkit.Eventually(t, patience, func() (bool, string) {
		var on, n string
		err := p.a.db.QueryRowContext(t.Context(), "SHOW STATUS LIKE 'rpl_semi_sync_%_clients'").Scan(&on, &n)
		return err == nil && n == "1", fmt.Sprintf("semi-synchronous replicas: %s, %v, %v", n, err, p.b.status(t))
	})
	through := p.a.Server
	_, port, _ := strings.Cut(p.proxy.Addr(), ":")
	if _, err := fmt.Sscan(port, &through.Port); err != nil {
		t.Fatal(err)
	}
	t.Setenv(testkit.MySQLVar, through.DSN())
	return p
}

// takeOver makes the replica the primary, once it has carried out what it received, and leads the proxy to it.
func (p *pair) takeOver(t *testing.T) {
	t.Helper()
	testkit.Eventually(t, patience, func() (bool, string) {
		s := p.b.status(t)
		return s["Relay_Master_Log_File"] == s["Master_Log_File"] && s["Read_Master_Log_Pos"] == s["Exec_Master_Log_Pos"], fmt.Sprint(s)
	})
	p.b.must(t, p.stop, p.promote)
	p.proxy.Lead(p.b.Addr())
}

// kill ends the primary at once. It is started again by itself, read-only, at its own address, where nobody looks for it.
func (p *pair) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-pidOf(p.a.dir, p.kind), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// readyz is what a process says of its servers.
func (w *world) readyz(t *testing.T, process string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Debug(process)+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// TestFailover takes the primary away under load, killed or only demoted while its old connections stay open, and leads the name to the
// replica: nothing that was acknowledged is lost, no process is restarted, and acks flow soon.
func TestFailover(t *testing.T) {
	for _, d := range dialects {
		t.Run(string(d.kind)+" killed", func(t *testing.T) {
			failover(t, d, func(t *testing.T, p *pair, _ *world) {
				p.kill(t)
				<-time.After(2 * time.Second) // until somebody, or something, decides
			})
		})
		t.Run(string(d.kind)+" demoted", func(t *testing.T) {
			failover(t, d, func(t *testing.T, p *pair, w *world) {
				p.a.must(t, d.demote)
				for _, process := range []string{"worker-1", "worker-2", "api-1"} {
					testkit.Eventually(t, patience, func() (bool, string) {
						said := w.readyz(t, process)
						return strings.Contains(said, "takes no writes") && strings.Contains(said, "lead database.host to the primary"), process + ": " + said
					})
				}
			})
		})
	}
}

func failover(t *testing.T, d dialect, lose func(t *testing.T, p *pair, w *world)) {
	p := startPair(t, d)
	w := startWorld(t, testkit.FleetOptions{})
	pids := map[string]int{}
	for _, name := range w.Names() {
		pids[name] = w.PID(t, name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var talking sync.WaitGroup
	talking.Go(func() { w.talk(ctx) })
	flow := func(within time.Duration) (all time.Duration) {
		t.Helper()
		since := w.h.Now()
		testkit.Eventually(t, within, func() (ok bool, why string) {
			_, all, ok = w.flows(since)
			return ok, "acks don't flow in all rooms"
		})
		return all
	}
	flow(patience)
	lose(t, p, w)
	p.takeOver(t)
	took := flow(flowWithin)
	<-time.After(2 * time.Second) // under load on the new one
	cancel()
	talking.Wait()
	acked := w.judge(t)
	for name, pid := range pids {
		if w.Ended(t, name, 0) || w.PID(t, name) != pid {
			t.Errorf("%s was restarted or has ended", name)
		}
	}
	fmt.Printf("%s: acks in all rooms %.1f s after the new primary took writes; %d messages acknowledged\n", t.Name(), took.Seconds(), acked)
}
