package main

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
)

func TestWatchSources(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("GOFLAGS", "")
	testkit.WriteFile(t, "go.mod", "module x\n\ngo 1.26\n")
	for _, name := range []string{"gateway", "worker", "api"} {
		testkit.WriteFile(t, "cmd/"+name+"/main.go", "package main\n\nfunc main() {}\n")
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes("cmd/api/main.go", old, old); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	rebuilt := make(chan struct{})
	var out syncedText
	var g sync.WaitGroup
	seen := newest()
	g.Go(func() { watchSources(ctx, seen, "bin", rebuilt, stack.NewProgress(&out)) })
	defer g.Wait()
	defer stop()

	touch := func(path, text string, ahead time.Duration) {
		t.Helper()
		testkit.WriteFile(t, path, text)
		at := time.Now().Add(ahead)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	touch("cmd/api/main.go", "package main\n\nfunc main() { println(1) }\n", time.Minute)
	await(t, rebuilt)
	if _, err := os.Stat("bin/api"); err != nil {
		t.Error(err)
	}
	touch("cmd/api/main.go", "package main\n\nfunc main() { broken }\n", 2*time.Minute)
	testkit.Eventually(t, 30*time.Second, func() (bool, string) {
		return strings.Contains(out.String(), "build failed"), "the failed build was not reported:\n" + out.String()
	})
	touch("cmd/api/main.go", "package main\n\nfunc main() {}\n", 3*time.Minute)
	await(t, rebuilt)
}

func await(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(60 * time.Second):
		t.Fatal("no new build")
	}
}

type syncedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncedText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncedText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
