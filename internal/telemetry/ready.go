package telemetry

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// checkTimeout bounds one check. A check that does not answer in time has failed.
const checkTimeout = 2 * time.Second

// Check returns nil when the process can use what is checked. It must return when ctx ends.
type Check func(ctx context.Context) error

// Readiness says whether the process accepts new work: all its checks pass and it is not draining. The zero value is
// ready. It is an http.Handler: 200 or 503, and a JSON body that lists the checks.
type Readiness struct {
	mu       sync.Mutex
	checks   map[string]Check
	draining bool
}

// Report is the body of /readyz: Status is "ready", "not ready" or "draining", Checks have "ok" or the error.
type Report struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks"`
}

// Register adds a check, or replaces the one of the same name.
func (r *Readiness) Register(name string, c Check) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.checks == nil {
		r.checks = map[string]Check{}
	}
	r.checks[name] = c
}

// Drain turns readiness off for good, so that load balancers send no new clients.
func (r *Readiness) Drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining = true
}

// Report runs all checks at the same time and waits for them.
func (r *Readiness) Report(ctx context.Context) Report {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	r.mu.Lock()
	rep := Report{Status: "ready", Checks: make(map[string]string, len(r.checks))}
	draining := r.draining
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	for name, check := range r.checks {
		wg.Go(func() {
			result := "ok"
			if err := check(ctx); err != nil {
				result = Mask(err.Error())
			}
			mu.Lock()
			defer mu.Unlock()
			rep.Checks[name] = result
			if result != "ok" {
				rep.Status = "not ready"
			}
		})
	}
	r.mu.Unlock()
	wg.Wait()
	if draining {
		rep.Status = "draining"
	}
	return rep
}

// ServeHTTP answers 200 when ready, else 503, with the report.
func (r *Readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rep := r.Report(req.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if rep.Status != "ready" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(rep) // a client that has disconnected needs no answer
}
