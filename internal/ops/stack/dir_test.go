package stack

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestDirIsHeldByOneRun(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path)
	_, err := OpenDir(path, nil)
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("second OpenDir = %v, want ErrLocked", err)
	}
	if !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("the error names neither the holder nor the way out: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(path, "lock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock file is still there: %v", err)
	}
	if err := openDir(t, path).Close(); err != nil {
		t.Errorf("open again after Close: %v", err)
	}
}

func TestDirClearsData(t *testing.T) {
	d := openDir(t, t.TempDir())
	defer func() { _ = d.Close() }()
	old := filepath.Join(d.DataPath("redis"), "old")
	if err := os.MkdirAll(old, 0o755); err != nil {
		t.Fatal(err)
	}
	port, err := d.Port("redis")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.ClearData(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("old data is left: %v", err)
	}
	if again, err := d.Port("redis"); err != nil || again != port {
		t.Errorf("the port went with the data: %d, %v", again, err)
	}
}

func TestDirRefusesBlanks(t *testing.T) {
	if d, err := OpenDir(filepath.Join(t.TempDir(), "a b"), nil); err == nil {
		_ = d.Close()
		t.Fatal("a path with a blank was taken")
	}
}

// A supervisor that was killed leaves processes and PID files; the next run ends exactly those.
func TestDirEndsLeftovers(t *testing.T) {
	path := t.TempDir()
	for _, sub := range []string{"pid", "log"} {
		if err := os.MkdirAll(filepath.Join(path, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sleeper := func(env ...string) *exec.Cmd {
		t.Helper()
		c := exec.Command("sleep", "300")
		c.Env = append(os.Environ(), env...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill() })
		return c
	}
	recorded, marked, stranger := sleeper(), sleeper(markerEnv+"="+path), sleeper(markerEnv+"="+path+"-other")
	id, err := identOf(recorded.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := identOf(stranger.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	foreign.Start++ // the PID was used again by somebody else
	for name, id := range map[string]ident{"recorded": id, "reused": foreign, "self-reused": {Pid: os.Getpid(), Start: 1}} {
		if err := writePid(filepath.Join(path, "pid", name+".json"), id); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(path, "pid", "damaged.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}

	ended := make(chan struct{}, 2)
	for _, c := range []*exec.Cmd{recorded, marked} {
		go func() {
			_ = c.Wait()
			ended <- struct{}{}
		}()
	}
	d := openDir(t, path)
	defer func() { _ = d.Close() }()
	for range 2 {
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatal("a leftover still runs")
		}
	}
	if _, err := startTicks(stranger.Process.Pid); err != nil {
		t.Errorf("a stranger was ended: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(path, "pid", "*")); len(left) != 0 {
		t.Errorf("PID files left: %v", left)
	}
	_ = stranger.Process.Kill()
	_ = stranger.Wait()
}

func TestTail(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.log")
	for _, tt := range []struct{ name, text, want string }{
		{"short", "a\nb\n", "    a\n    b"},
		{"long", strings.Repeat("old\n", 9000) + "x\ny\nz\n", "    x\n    y\n    z"},
		{"empty", "", "    (the log is empty)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(tt.text), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := tail(file, 3); got != tt.want {
				t.Errorf("tail = %q, want %q", got, tt.want)
			}
		})
	}
	if got := tail(filepath.Join(dir, "none"), 3); !strings.Contains(got, "no log") {
		t.Errorf("tail of a missing file = %q", got)
	}
}
