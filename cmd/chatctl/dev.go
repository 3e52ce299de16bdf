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

// watched are the folders in which a change triggers a build.
var watched = []string{"cmd", "internal", "configs", "web"}

// watchSources looks every second for sources newer than seen; after a change it builds the product's binaries and sends one
// value. If the build fails its output is shown, and the old processes keep running.
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
			out.Say("dev", "the build failed, the old processes keep running:\n%s", text)
			continue
		}
		select {
		case rebuilt <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// newest is the time of the latest change of a watched file.
func newest() (t time.Time) {
	for _, dir := range watched {
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.HasSuffix(path, "_test.go") {
				return nil //nolint:nilerr // a file that was deleted meanwhile
			}
			if info, err := e.Info(); err == nil && info.ModTime().After(t) {
				t = info.ModTime()
			}
			return nil
		})
	}
	return t
}
