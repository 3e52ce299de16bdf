package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestLoggerRedacts(t *testing.T) {
	const canary = "canary7f3a"
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log, err := NewLogger(&out, LogOptions{Process: "gateway", Format: format, Level: "debug"})
		if err != nil {
			t.Fatal(err)
		}
		log.Info("GET /ws?token="+canary, "token", canary, "refresh_token", []byte(canary), "room", 7)
		log.With("jwt.secret", canary).WithGroup("db").Debug("m", "Password", canary, slog.Group("g", "dsn", canary))
		log.Error("m", "error", errors.New("dial amqp://user:"+canary+"@host:5672/: refused"))
		log.Error("m", "error", "root:"+canary+"@tcp(127.0.0.1:3306)/chat", "header", "Bearer "+canary, "sub", "chat.v1, bearer."+canary)
		text := out.String()
		if strings.Contains(text, canary) {
			t.Errorf("%s: the secret shows:\n%s", format, text)
		}
		for _, want := range []string{"gateway", "room", "refused", "host:5672", "127.0.0.1:3306"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is gone:\n%s", format, want, text)
			}
		}
	}
}

func TestMaskKeepsOrdinaryText(t *testing.T) {
	for _, text := range []string{
		"", "append message: deadlock", "read tcp 127.0.0.1:80->127.0.0.1:90: reset", "at 12:30:01.5 by user@host.example",
		"a=b", "tokens=5 left", "key: value",
	} {
		if got := Mask(text); got != text {
			t.Errorf("Mask(%q) = %q", text, got)
		}
	}
}

func TestLoggerOptions(t *testing.T) {
	for _, o := range []LogOptions{{Level: "loud"}, {Format: "xml"}} {
		if _, err := NewLogger(io.Discard, o); err == nil {
			t.Errorf("NewLogger took %+v", o)
		}
	}
	var out bytes.Buffer
	log, err := NewLogger(&out, LogOptions{Level: "warn"})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	if out.Len() > 0 {
		t.Errorf("level warn let info through: %s", out.String())
	}
}

func TestSampler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log, err := NewLogger(&out, LogOptions{Burst: 2, Interval: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		lines := func() int { return strings.Count(out.String(), "\n") }
		for i := range 10 {
			log.With("i", i).Error("redis is unavailable")
		}
		if lines() != 2 {
			t.Errorf("%d lines, want 2:\n%s", lines(), out.String())
		}
		log.Error("mysql is unavailable")
		log.Warn("redis is unavailable")
		if lines() != 4 {
			t.Errorf("%d lines: other messages and levels must pass:\n%s", lines(), out.String())
		}
		time.Sleep(time.Minute) // the bubble's time
		log.Error("redis is unavailable")
		if !strings.HasSuffix(out.String(), `"suppressed":8}`+"\n") {
			t.Errorf("the next line does not report the 8 suppressed ones:\n%s", out.String())
		}
		for i := range 3 * maxSampled {
			log.Error(strings.Repeat("x", i))
		}
	})
}

func startDebug(t *testing.T) *Debug {
	t.Helper()
	d := NewDebug("127.0.0.1:0", NewRegistry(), slog.New(slog.DiscardHandler))
	if d.Addr() != "" {
		t.Error("an address before Start")
	}
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Stop = %v", err)
		}
	})
	return d
}

func fetch(t *testing.T, d *Debug, path string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestDebugServes(t *testing.T) {
	d := startDebug(t)
	for path, want := range map[string]string{
		"/healthz":                       "ok",
		"/readyz":                        `"status":"ready"`,
		"/metrics":                       "go_goroutines",
		"/debug/pprof/":                  "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile",
		"/debug/pprof/symbol":            "num_symbols",
	} {
		if status, body := fetch(t, d, path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s = %d, without %q", path, status, want)
		}
	}
	_, metrics := fetch(t, d, "/metrics")
	for _, want := range []string{"process_open_fds", "go_build_info", "promhttp_metric_handler_requests_total"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if status, _ := fetch(t, d, "/"); status != http.StatusNotFound {
		t.Errorf("/ = %d", status)
	}
}

func TestReadiness(t *testing.T) {
	d := startDebug(t)
	broken := true
	d.Register("mysql", func(context.Context) error { return nil })
	d.Register("broker", func(context.Context) error {
		if broken {
			return errors.New("dial amqp://u:hidden@h/: refused")
		}
		return nil
	})
	expect := func(status int, want Report) {
		t.Helper()
		got, body := fetch(t, d, "/readyz")
		var rep Report
		if err := json.Unmarshal([]byte(body), &rep); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if got != status || rep.Status != want.Status || len(rep.Checks) != len(want.Checks) || !slices.Equal(rep.Lasting, want.Lasting) {
			t.Errorf("/readyz = %d %s, want %d %+v", got, body, status, want)
		}
		for name, result := range want.Checks {
			if rep.Checks[name] != result {
				t.Errorf("check %s = %q, want %q", name, rep.Checks[name], result)
			}
		}
	}
	expect(503, Report{"not ready", map[string]string{"mysql": "ok", "broker": "dial amqp://u:[redacted]@h/: refused"}, nil})
	broken = false
	expect(200, Report{"ready", map[string]string{"mysql": "ok", "broker": "ok"}, nil})
	wrong := errors.Join(refusal("wrong password: correct it"), fmt.Errorf("%w", refusal("wrong password: correct it")), errors.New("and more"))
	d.Register("mysql", func(context.Context) error { return wrong })
	expect(503, Report{"not ready", map[string]string{"mysql": "wrong password: correct it\nand more", "broker": "ok"}, []string{"mysql"}})
	d.Register("mysql", func(context.Context) error { return nil })
	d.Drain()
	expect(503, Report{"draining", map[string]string{"mysql": "ok", "broker": "ok"}, nil})
}

func TestReadinessGivesUpOnSlowChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Readiness
		r.Register("slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		begin := time.Now()
		rep := r.Report(t.Context())
		if rep.Status != "not ready" || time.Since(begin) != checkTimeout {
			t.Errorf("Report = %+v after %v", rep, time.Since(begin))
		}
	})
}

func TestDebugStartFails(t *testing.T) {
	d := startDebug(t)
	again := NewDebug(d.Addr(), NewRegistry(), slog.New(slog.DiscardHandler))
	if err := again.Start(t.Context()); err == nil {
		t.Error("two listeners on one port")
	}
	if err := again.Stop(t.Context()); err != nil {
		t.Errorf("Stop of what never started = %v", err)
	}
}

func TestDebugAnswersOnlyToItsOwnNames(t *testing.T) {
	d := startDebug(t)
	for host, want := range map[string]int{
		d.Addr(): 200, "localhost": 200, "[::1]:9102": 200, "worker-1": 200, "worker.chat.svc.cluster.local": 200, "": 200,
		"evil.example": http.StatusMisdirectedRequest, "127.0.0.1.nip.io:9102": http.StatusMisdirectedRequest, "Evil.Example.:80": http.StatusMisdirectedRequest,
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil)
		req.Host = host
		rec := httptest.NewRecorder()
		if d.server.Handler.ServeHTTP(rec, req); rec.Code != want {
			t.Errorf("Host %q: %d, want %d", host, rec.Code, want)
		}
	}
}

func TestLogShowsUnitsAndNames(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, LogOptions{Process: "worker"})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("m", "took", 1500*time.Millisecond, "reason", syscall.SIGTERM)
	if s := out.String(); !strings.Contains(s, `"took":"1.5s"`) || !strings.Contains(s, `"reason":"terminated"`) {
		t.Error(s)
	}
}
