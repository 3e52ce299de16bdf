//go:build integration

package doctor

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chat-service/internal/config"
	"chat-service/internal/ops/installation"
	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
)

// patience bounds what real servers take.
const patience = 90 * time.Second

// cache is the folder of downloaded packages.
func cache(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("CHAT_PKG_CACHE"); dir != "" {
		return dir
	}
	return filepath.Join(testkit.Root(t), ".run", "pkg")
}

// private starts a server of the test's own, which ends with it.
func private(t *testing.T, kind stack.Kind, args ...string) stack.Server {
	t.Helper()
	out := stack.NewProgress(os.Stderr)
	dir, err := stack.OpenDir(t.TempDir(), out)
	if err != nil {
		t.Fatal(err)
	}
	s, err := stack.Up(t.Context(), stack.Options{
		Dir: dir, Out: out, PkgCache: cache(t), Kinds: []stack.Kind{kind}, Extra: map[stack.Kind][]string{kind: args},
	})
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
	srv, ok := s.Server(kind)
	if !ok {
		t.Fatalf("no %s", kind)
	}
	return srv
}

// onDatabase is an examination of a MySQL server.
func onDatabase(srv stack.Server) *examination {
	x := &examination{Installation: &installation.Installation{Sections: installation.Defaults()}, r: &Report{area: "mysql"}}
	x.Database.Host, x.Database.Port = srv.Host, config.Port(srv.Port)
	x.Database.User, x.Database.Password, x.Database.DBName = srv.User, config.NewSecret(srv.Password), srv.Database
	return x
}
