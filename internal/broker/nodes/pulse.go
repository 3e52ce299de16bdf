package nodes

import (
	"errors"
	"fmt"
	"time"
)

const (
	// pulsePatience is how long a node may confirm nothing; suspectPatience, when another connection of this process has left it.
	pulsePatience, suspectPatience = 3 * time.Second, 1500 * time.Millisecond
	// freshPatience is how long a new connection may take to confirm its first, freshTries how often that is tried before the patience
	// doubles. Messages that a channel has sent to a leader which is then lost stay there for 10 s: another channel finds the new leader.
	freshPatience = time.Second
	freshTries    = 10
	// stuckPatience is how long a publisher's oldest message may be unconfirmed, for the same reason; it doubles while it is the same one on
	// the next connection, too.
	stuckPatience = 2 * time.Second
	mostPatience  = time.Minute
)

var (
	// ErrSilent means that the node is paused, or cut off from most of the others. Its connections would stay open all the same, until a heartbeat is
	// missed for long, or as long as it is cut off.
	ErrSilent = errors.New("the node confirms no messages")
	// ErrStuck means that another connection is tried.
	ErrStuck = errors.New("its queue, or the way to it, has stopped")
)

// Patience is what one purpose's connections share, one after the other.
type Patience struct {
	fresh    int // connections in a row on which nothing was confirmed
	renewals int // connections in a row that were given up because of this message
	stuck    string
}

// Pulse judges one connection by what is confirmed on it.
type Pulse struct {
	p     *Patience
	route Route // as it was: where the connection leads, and where else it could

	begun, confirmed time.Time
	oldest           string
	since            time.Time
}

// Begin is called when a connection to the route's present address is set up.
func (p *Patience) Begin(r *Route, now time.Time) *Pulse {
	return &Pulse{p: p, route: *r, begun: now, confirmed: now}
}

// Clustered reports whether there is more than one node.
func (u *Pulse) Clustered() bool { return len(u.route.urls) > 1 }

// Look returns why to leave the connection, or nil. confirmed is when something was last confirmed on it, zero for never; oldest names the
// message that has waited longest, "" if none waits.
func (u *Pulse) Look(now, confirmed time.Time, oldest string) error {
	known, url := u.route.known, u.route.URL()
	if confirmed.After(u.confirmed) {
		u.confirmed, u.p.fresh = confirmed, 0
		known.free(url)
	}
	if err := u.stuck(now, oldest); err != nil {
		return err
	}
	silent := now.Sub(u.confirmed)
	if u.confirmed.Equal(u.begun) {
		if silent < min(freshPatience<<max(u.p.fresh-freshTries, 0), mostPatience) {
			return nil
		}
		u.p.fresh = min(u.p.fresh+1, freshTries+6)
		return fmt.Errorf("%w on a new connection within %v", ErrSilent, silent.Round(100*time.Millisecond))
	}
	patience := pulsePatience
	if known.held(url) {
		patience = suspectPatience
	}
	if silent < patience {
		return nil
	}
	known.hold(url, silentHold)
	if !known.other(u.route.urls, url) {
		return nil // nobody does better
	}
	return fmt.Errorf("%w for %v", ErrSilent, silent.Round(100*time.Millisecond))
}

// Excuse is for a time in which no confirms are expected.
func (u *Pulse) Excuse(now time.Time) {
	if u.confirmed.Equal(u.begun) {
		u.begun = now
	}
	u.confirmed, u.since = now, now
}

// stuck returns an error when the oldest message has been the same for too long.
func (u *Pulse) stuck(now time.Time, oldest string) error {
	if oldest != u.oldest || oldest == "" {
		u.oldest, u.since = oldest, now
		return nil
	}
	if oldest != u.p.stuck {
		u.p.renewals = 0
	}
	patience := min(stuckPatience<<u.p.renewals, mostPatience)
	if now.Sub(u.since) < patience {
		return nil
	}
	u.p.renewals, u.p.stuck = min(u.p.renewals+1, 5), oldest
	return fmt.Errorf("a message isn't confirmed for %v: %w", patience, ErrStuck)
}
