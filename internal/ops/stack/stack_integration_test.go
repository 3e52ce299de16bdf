//go:build integration

package stack

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
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
