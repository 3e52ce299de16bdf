//go:build integration

package stack

import (
	"context"
	"database/sql"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "github.com/go-sql-driver/mysql"
)

// The cheapest real server goes the whole way: found or downloaded, started, killed and kept, stopped.
func TestRealServerComesAndGoes(t *testing.T) {
	cache := os.Getenv("CHAT_PKG_CACHE")
	if cache == "" {
		cache = filepath.Join(t.TempDir(), "pkg")
	}
	path := t.TempDir()
	port := 0
	for run := range 2 {
		d := openDir(t, path)
		s, err := Up(t.Context(), Options{Dir: d, Out: testProgress(t), PkgCache: cache, Kinds: []Kind{Redis}})
		if err != nil {
			_ = d.Close()
			t.Fatal(err)
		}
		srv, _ := s.Server(Redis)
		if run == 1 && srv.Port != port {
			t.Errorf("the second run is on port %d, the first was on %d", srv.Port, port)
		}
		port = srv.Port
		first := srv.main.current().ident.Pid
		if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a killed server is back on its port", func() bool {
			return srv.main.current().ident.Pid != first && probe(t.Context(), Redis, srv.Host, srv.Port) == nil
		})
		last := srv.main.current().ident
		s.Stop(context.WithoutCancel(t.Context()))
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if last.alive() {
			t.Error("the server outlived the run")
		}
		if c, err := net.Dial("tcp", srv.Addr()); err == nil {
			_ = c.Close()
			t.Errorf("something still listens on %s", srv.Addr())
		}
	}
}

// TestPrivateDatabaseIsClosedToOtherAccounts: whoever else works on this machine reaches the loopback.
func TestPrivateDatabaseIsClosedToOtherAccounts(t *testing.T) {
	cache := os.Getenv("CHAT_PKG_CACHE")
	if cache == "" {
		cache = filepath.Join(t.TempDir(), "pkg")
	}
	path := filepath.Join(t.TempDir(), "run")
	d := openDir(t, path)
	s, err := Up(t.Context(), Options{Dir: d, Out: testProgress(t), PkgCache: cache, Kinds: []Kind{MySQL}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop(context.Background())
		_ = d.Close()
	})
	srv, _ := s.Server(MySQL)
	ask := func(srv Server, statement string) error {
		db, err := sql.Open("mysql", srv.DSN())
		if err != nil {
			return err
		}
		defer db.Close()
		_, err = db.ExecContext(t.Context(), statement)
		return err
	}
	if err := ask(srv, "SELECT 1"); err != nil {
		t.Error(err)
	}
	target := filepath.Join(t.TempDir(), "written")
	if err := ask(srv, "SELECT 'x' INTO OUTFILE '"+target+"'"); err == nil || !strings.Contains(err.Error(), "1290") {
		t.Errorf("a statement writes files: %v", err)
	}
	for _, password := range []string{"", "root"} {
		srv.Password = password
		if err := ask(srv, "SELECT 1"); err == nil || !strings.Contains(err.Error(), "1045") {
			t.Errorf("with the password %q: %v", password, err)
		}
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the run directory: %v %v", st.Mode(), err)
	}
}
