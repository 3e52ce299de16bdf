package main

import (
	"context"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"chat-service/internal/ops/stack"
)

// watched are the folders whose change asks for a new build.
var watched = []string{"cmd", "internal", "configs", "web"}

// watchSources looks every second for sources newer than seen; after a change it builds the product's binaries and sends one
// value. A build that fails is shown, and the old processes go on.
func watchSources(ctx context.Context, seen time.Time, bin string, rebuilt chan<- struct{}, out *stack.Progress) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := newest()
		if now.Equal(seen) {
			continue
		}
		seen = now
		out.Say("dev", "sources changed, building")
		cmd := exec.CommandContext(ctx, "go", "build", "-o", bin+"/", "./cmd/gateway", "./cmd/worker", "./cmd/api")
		if text, err := cmd.CombinedOutput(); err != nil {
			out.Say("dev", "the build failed, the old processes go on:\n%s", text)
			continue
		}
		select {
		case rebuilt <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// newest is the latest change among the watched files.
func newest() (t time.Time) {
	for _, dir := range watched {
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.HasSuffix(path, "_test.go") {
				return nil //nolint:nilerr // a file that went away between two looks
			}
			if info, err := e.Info(); err == nil && info.ModTime().After(t) {
				t = info.ModTime()
			}
			return nil
		})
	}
	return t
}
