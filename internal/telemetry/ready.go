package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
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
	spared   map[string]bool // checks that are shown and don't decide
	draining bool
}

// IssuerKeys begins the names of the checks of issuers' keys; the issuer follows.
const IssuerKeys = "keys of "

// Report is the body of /readyz: Status is "ready", "not ready" or "draining", Checks have "ok" or the error. Lasting are those whose
// error waiting doesn't mend.
type Report struct {
	Status  string            `json:"status"`
	Checks  map[string]string `json:"checks"`
	Lasting []string          `json:"lasting,omitempty"`
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

// Observe adds a check of something that the process can do without: it is shown, and Watch sees it, but the process is ready without.
func (r *Readiness) Observe(name string, c Check) {
	r.Register(name, c)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spared == nil {
		r.spared = map[string]bool{}
	}
	r.spared[name] = true
}

// Drain turns readiness off for good, so that load balancers send no new clients.
func (r *Readiness) Drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining = true
}

// Report runs all checks at the same time and waits for them.
func (r *Readiness) Report(ctx context.Context) Report {
	rep := Report{Status: "ready", Checks: map[string]string{}}
	for name, err := range r.ask(ctx) {
		rep.Checks[name] = "ok"
		if err == nil {
			continue
		}
		rep.Checks[name] = Mask(once(err.Error()))
		var l lasting
		if errors.As(err, &l) && l.Permanent() {
			rep.Lasting = append(rep.Lasting, name)
		}
		if !r.spares(name) {
			rep.Status = "not ready"
		}
	}
	slices.Sort(rep.Lasting)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining {
		rep.Status = "draining"
	}
	return rep
}

// once leaves out lines that repeat the one above: several connections to one server fail alike.
func once(text string) string {
	return strings.Join(slices.Compact(strings.Split(text, "\n")), "\n")
}

// ask runs all checks at the same time and returns what each says.
func (r *Readiness) ask(ctx context.Context) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	r.mu.Lock()
	checks := maps.Clone(r.checks)
	r.mu.Unlock()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		said = make(map[string]error, len(checks))
	)
	for name, check := range checks {
		wg.Go(func() {
			err := check(ctx)
			mu.Lock()
			defer mu.Unlock()
			said[name] = err
		})
	}
	wg.Wait()
	return said
}

func (r *Readiness) spares(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spared[name]
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
