package stack

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// fakeDocker puts a docker on PATH that writes down what it is asked; info says whether its engine answers.
func fakeDocker(t *testing.T, engine bool) (calls string) {
	t.Helper()
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	script := "#!/bin/sh\necho \"$@\" >> " + calls + "\n"
	if !engine {
		script += "exit 1\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return calls
}

func TestContainerComesAndGoes(t *testing.T) {
	calls := fakeDocker(t, true)
	path := t.TempDir()
	l, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close() // only its number is wanted
	if err := writeJSON(filepath.Join(path, "ports.json"), map[string]int{"redis": port}); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, path)
	defer func() { _ = d.Close() }()

	// What the container would do: listen once it was asked to run.
	ctx, stop := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		actAsRedis(ctx, t, calls, port)
	}()
	s := &Stack{dir: d, out: testProgress(t), servers: map[Kind]Server{}}
	srv, err := s.startContainer(t.Context(), Redis)
	stop()
	<-gone
	if err != nil {
		t.Fatal(err)
	}
	if srv.Port != port || !strings.Contains(srv.Origin, "redis:8") {
		t.Errorf("server %+v", srv)
	}
	s.servers[Redis] = srv
	s.Stop(t.Context())
	b, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	_, after, ran := strings.Cut(string(b), "run --detach --rm --name "+srv.container)
	if !ran || !strings.Contains(after, "--publish "+loopback+":"+strconv.Itoa(port)+":6379") {
		t.Errorf("docker was not asked to run it on the loopback:\n%s", b)
	}
	if !strings.Contains(after, "stop --time 15 "+srv.container) || !strings.Contains(after, "rm --force "+srv.container) {
		t.Errorf("the container was not removed:\n%s", b)
	}
}

func actAsRedis(ctx context.Context, t *testing.T, calls string, port int) {
	waitFor(ctx, func() bool {
		b, _ := os.ReadFile(calls)
		return strings.Contains(string(b), "run --detach")
	})
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		t.Error(err)
		return
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = bufio.NewReader(c).ReadString('\n')
		_, _ = io.WriteString(c, "+PONG\r\n")
		_ = c.Close()
	}
}

func TestContainerWithoutEngine(t *testing.T) {
	fakeDocker(t, false)
	d := openDir(t, t.TempDir())
	defer func() { _ = d.Close() }()
	s := &Stack{dir: d}
	if srv, err := s.startContainer(t.Context(), Redis); err == nil || srv.Port != 0 {
		t.Errorf("startContainer = %+v, %v", srv, err)
	}
}

// waitFor is eventually for goroutines that must not fail the test.
func waitFor(ctx context.Context, ok func() bool) {
	for ctx.Err() == nil && !ok() {
		runtime.Gosched()
	}
}
