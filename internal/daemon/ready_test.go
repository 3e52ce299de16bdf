package daemon

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReadyAsksTheRunningProcess(t *testing.T) {
	status := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asks for %s", r.URL.Path)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte("mysql is unavailable"))
	}))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	_, port, _ := strings.Cut(addr, ":")
	ask := func(addr string) (int, string) {
		var out, errs bytes.Buffer
		p := Process{Name: "worker", Load: func(string) error { return nil }, Debug: func() string { return addr }}
		return p.Run(context.Background(), []string{"-ready"}, &out, &errs), errs.String()
	}
	if code, said := ask(addr); code != ExitFailed || !strings.Contains(said, "503") || !strings.Contains(said, "mysql is unavailable") {
		t.Errorf("exit code %d: %s", code, said)
	}
	status = http.StatusOK
	for _, a := range []string{addr, "0.0.0.0:" + port, ":" + port} {
		if code, said := ask(a); code != ExitOK || said != "" {
			t.Errorf("%s: exit code %d: %s", a, code, said)
		}
	}
	server.Close()
	if code, said := ask(addr); code != ExitFailed || said == "" {
		t.Errorf("of a process that doesn't run: exit code %d: %s", code, said)
	}
}
