package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// profileTime bounds the writing of an answer: a CPU profile or trace may be asked to run for a minute.
const profileTime = 90 * time.Second

// Debug is the listener for operators: metrics, health, profiles.
type Debug struct {
	Readiness

	addr   string
	log    *slog.Logger
	server *http.Server

	mu       sync.Mutex
	listener net.Listener // nil before Start
	serving  sync.WaitGroup
	failed   chan error // one slot: Serve ends once
}

// NewDebug makes a listener for addr ("host:port"; port 0 lets the system choose). Start opens it.
func NewDebug(addr string, reg *prometheus.Registry, log *slog.Logger) *Debug {
	d := &Debug{addr: addr, log: log, failed: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.InstrumentMetricHandler(reg, promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		Timeout:             10 * time.Second,
		MaxRequestsInFlight: 4,
	})))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.Handle("GET /readyz", &d.Readiness)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	d.server = &http.Server{
		Handler:           known(addr, mux),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      profileTime,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	return d
}

// known refuses requests whose Host is a name that nobody gave this listener: a page in an operator's browser can point a name of its own
// at this address (DNS rebinding). Addresses, localhost, this machine's name and names without a dot, as inside a cluster or compose
// network, are no such names; nor are the cluster's own (….svc, ….local, ….internal).
func known(addr string, next http.Handler) http.Handler {
	own, _, _ := net.SplitHostPort(addr)
	machine, _ := os.Hostname()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		ok := net.ParseIP(host) != nil || !strings.Contains(host, ".") || host == strings.ToLower(own) || host == strings.ToLower(machine)
		for _, inner := range []string{".svc", ".local", ".internal", ".localhost"} {
			ok = ok || strings.HasSuffix(host, inner)
		}
		if !ok {
			http.Error(w, "this listener is not known as "+strconv.Quote(host)+": ask by its address", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Start binds the address and serves until Stop.
func (d *Debug) Start(ctx context.Context) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", d.addr)
	if err != nil {
		return fmt.Errorf("debug listener: %w", err)
	}
	d.mu.Lock()
	d.listener = ln
	d.mu.Unlock()
	d.serving.Go(func() {
		if err := d.server.Serve(NewListener(ln, "debug", d.log, nil)); !errors.Is(err, http.ErrServerClosed) {
			d.failed <- fmt.Errorf("debug listener: %w", err)
		}
	})
	d.log.Info("debug listener", "addr", ln.Addr().String())
	return nil
}

// Failed delivers the error that ended the serving, if one did.
func (d *Debug) Failed() <-chan error { return d.failed }

// Addr returns the bound address, "" before Start.
func (d *Debug) Addr() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener == nil {
		return ""
	}
	return d.listener.Addr().String()
}

// Stop lets requests in progress finish until ctx ends, then closes their connections.
func (d *Debug) Stop(ctx context.Context) error {
	err := d.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, d.server.Close())
	}
	d.serving.Wait()
	return err
}
