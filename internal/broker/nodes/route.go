package nodes

import (
	"sync"
	"time"
)

const (
	// unreachableHold is how long a node is passed over after it was dialled in vain, silentHold after it was left because it confirmed
	// nothing: a paused node, or one that is cut off, still takes connections.
	unreachableHold = 5 * time.Second
	silentHold      = 30 * time.Second
	// firstDial and firstSetup bound connecting to a node, and declaring there, while others haven't been tried; they double with each
	// round in which no node worked, up to what a single node is given.
	firstDial  = 900 * time.Millisecond
	firstSetup = time.Second
)

// Known is what the connections of a process know of the nodes: which of them to pass over for a while. So a node that is down or
// silent costs the time to find that out once, and not once per connection.
type Known struct {
	mu    sync.Mutex
	avoid map[string]time.Time // by address, until when
}

// New makes an empty set.
func New() *Known { return &Known{avoid: map[string]time.Time{}} }

// hold has the node passed over.
func (k *Known) hold(url string, d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if until := time.Now().Add(d); until.After(k.avoid[url]) {
		k.avoid[url] = until
	}
}

// free takes that back: the node confirmed a message.
func (k *Known) free(url string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.avoid, url)
}

// held reports whether the node is to be passed over.
func (k *Known) held(url string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Now().Before(k.avoid[url])
}

// other reports whether one of urls besides this one isn't to be passed over.
func (k *Known) other(urls []string, url string) bool {
	for _, u := range urls {
		if u != url && !k.held(u) {
			return true
		}
	}
	return false
}

// Route says which address one connection dials, and when it has tried all of them in vain.
type Route struct {
	urls  []string
	known *Known
	at    int // index of the present one
	left  int // how many others may be tried at once before a pause
	round int // how often all were tried in vain
}

// NewRoute begins at the address with that number, modulo their count.
func NewRoute(urls []string, known *Known, first int) *Route {
	return &Route{urls: urls, known: known, at: first % len(urls), left: len(urls) - 1}
}

// URL is the present address.
func (r *Route) URL() string { return r.urls[r.at] }

// Dial bounds connecting to it, and once more the handshake; 0 if there is no other node, and thus no reason to hurry.
func (r *Route) Dial() time.Duration {
	if len(r.urls) < 2 {
		return 0
	}
	return firstDial << min(r.round, 4)
}

// Setup bounds declaring there.
func (r *Route) Setup(most time.Duration) time.Duration { return Setup(len(r.urls), r.round, most) }

// Setup bounds declaring on one of n nodes after that many tries in vain.
func Setup(n, tries int, most time.Duration) time.Duration {
	if n < 2 {
		return most
	}
	return min(firstSetup<<min(tries, 4), most)
}

// Failed notes that the present node couldn't be reached. One that can, and doesn't answer declarations, is not passed over: it may wait
// for another.
func (r *Route) Failed() { r.known.hold(r.URL(), unreachableHold) }

// Next goes on to the next node that isn't to be passed over, or to the next one if all are. It says whether to dial it without a pause:
// one dead address of three costs no waiting. After a connection that was up, and once all nodes were tried, there is a pause.
func (r *Route) Next(wasUp bool) (atOnce bool) {
	next := (r.at + 1) % len(r.urls)
	for i := range len(r.urls) - 1 {
		if at := (next + i) % len(r.urls); !r.known.held(r.urls[at]) {
			next = at
			break
		}
	}
	r.at = next
	switch {
	case wasUp:
		r.left, r.round = len(r.urls)-1, 0
		return false
	case r.left == 0:
		r.left = len(r.urls) - 1
		r.round++
		return false
	}
	r.left--
	return true
}
