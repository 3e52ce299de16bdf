package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// How key sets are fetched.
const (
	fetchTime    = 5 * time.Second  // for all of one fetch
	fetchEvery   = 10 * time.Minute // while all is well
	fetchAgain   = 15 * time.Second // after one that failed
	fetchAtMost  = 10 * time.Second // apart, because a token names a key that isn't known
	fetchPatient = 3 * time.Second  // how long such a token waits for it
	fetchWaiting = 64               // tokens that wait
)

// RemoteKeys are the keys at an address, as a JSON Web Key Set. Run fetches them; what was fetched last stays good while the address is
// down. It is safe for concurrent use.
type RemoteKeys struct {
	// Changed, if set before Run, is called after the first fetch, and when fetches begin to fail or to succeed again (nil).
	Changed func(problem error)

	url    string
	client *http.Client
	now    func() time.Time
	wanted chan struct{}

	mu      sync.Mutex
	keys    FixedKeys // none: never fetched
	tried   time.Time // when the last fetch began
	failure error     // of the last fetch
	since   time.Time // when fetches began to fail
	begun   bool      // a fetch has ended
	busy    bool      // a fetch is on its way
	done    chan struct{}
	waiting int
}

// NewRemoteKeys makes the keys at an address; nothing is fetched before Run.
func NewRemoteKeys(address string) *RemoteKeys {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives, t.MaxResponseHeaderBytes = true, 64<<10
	return &RemoteKeys{
		url: address, now: time.Now, wanted: make(chan struct{}, 1), done: make(chan struct{}),
		client: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// Run fetches the keys at once, every ten minutes, and when a token names one that isn't known, until ctx ends.
func (r *RemoteKeys) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-r.wanted:
		}
		if r.begin() {
			keys, err := r.fetch(ctx)
			if ctx.Err() != nil {
				return nil
			}
			r.end(keys, err)
		}
		pause := fetchEvery
		if r.Problem() != nil {
			pause = fetchAgain
		}
		timer.Reset(pause)
	}
}

// begin reports whether the next fetch may begin: one by the clock may have come before one that was wanted.
func (r *RemoteKeys) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.tried.IsZero() && r.now().Sub(r.tried) < fetchAtMost {
		r.finish()
		return false
	}
	r.busy, r.tried = true, r.now()
	return true
}

// end takes a fetch's outcome. A failed one leaves the keys as they are.
func (r *RemoteKeys) end(keys FixedKeys, err error) {
	r.mu.Lock()
	changed := !r.begun || (err == nil) != (r.failure == nil)
	if err == nil {
		r.keys = keys
	} else if changed {
		r.since = r.now()
	}
	r.failure, r.begun = err, true
	r.finish()
	r.mu.Unlock()
	if changed && r.Changed != nil {
		r.Changed(err)
	}
}

// finish lets those look again who wait. The lock is held.
func (r *RemoteKeys) finish() {
	r.busy = false
	close(r.done)
	r.done = make(chan struct{})
}

// fetch reads the set, within its bounds of time and size.
func (r *RemoteKeys) fetch(ctx context.Context) (FixedKeys, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return FixedKeys{}, fmt.Errorf("fetch keys: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	res, err := r.client.Do(req)
	if err != nil {
		return FixedKeys{}, fmt.Errorf("fetch keys: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return FixedKeys{}, fmt.Errorf("fetch keys: %s answers %d, and redirects are not followed: configure the address where the keys are", r.url, res.StatusCode)
	case res.StatusCode != http.StatusOK:
		return FixedKeys{}, fmt.Errorf("fetch keys: %s answers %d", r.url, res.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, MaxKeySetBytes+1))
	if err != nil {
		return FixedKeys{}, fmt.Errorf("fetch keys: read %s: %w", r.url, err)
	}
	keys, err := KeySet(data)
	if err != nil {
		err = fmt.Errorf("fetch keys: the key set at %s %w", r.url, err)
	}
	return keys, err
}

// Problem is why the keys couldn't be fetched last, nil if they could, or nothing was fetched yet.
func (r *RemoteKeys) Problem() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.failure == nil:
		return nil
	case len(r.keys.keys) == 0:
		return fmt.Errorf("no keys yet: exchanges are answered with 503: %w", r.failure)
	}
	return fmt.Errorf("the keys fetched before %s are used: %w", r.since.UTC().Format(time.RFC3339), r.failure)
}

// find implements ForeignKeys. For a key that isn't known it waits for a fetch, of which there is one in fetchAtMost however many ask.
func (r *RemoteKeys) find(kid string) ([]foreignKey, error) {
	found, again, err := r.look(kid)
	if again == nil {
		return found, err
	}
	late := time.NewTimer(fetchPatient)
	defer late.Stop()
	select {
	case <-again:
	case <-late.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting--
	return r.have(kid)
}

// have judges by what is here. That a key isn't known means nothing while it can't be fetched. The lock is held.
func (r *RemoteKeys) have(kid string) ([]foreignKey, error) {
	found := named(r.keys.keys, kid)
	if len(found) == 0 && (len(r.keys.keys) == 0 || kid != "" && (r.failure != nil || r.busy)) {
		return nil, errors.Join(errNoKeys, r.failure)
	}
	return found, nil
}

// look finds a key, or says what to wait for.
func (r *RemoteKeys) look(kid string) (found []foreignKey, again <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, err = r.have(kid)
	if len(found) > 0 || kid == "" && err == nil {
		return found, nil, err
	}
	due := r.now().Sub(r.tried) >= fetchAtMost
	if !due && !r.busy || r.waiting >= fetchWaiting {
		return nil, nil, err
	}
	if !r.busy {
		r.busy = true
		select {
		case r.wanted <- struct{}{}:
		default: // it is wanted already
		}
	}
	r.waiting++
	return nil, r.done, nil
}
