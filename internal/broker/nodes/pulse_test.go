package nodes

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// look asks every quarter of a second what a connection would do on which beats are confirmed while they are, and returns after how long
// it is left; 0: not within the time.
func look(u *Pulse, within time.Duration, confirmed func(since time.Duration) bool, oldest func(since time.Duration) string) (time.Duration, error) {
	begun, last := time.Now(), time.Time{}
	for time.Since(begun) < within {
		<-time.After(250 * time.Millisecond)
		if confirmed(time.Since(begun)) {
			last = time.Now()
		}
		if err := u.Look(time.Now(), last, oldest(time.Since(begun))); err != nil {
			return time.Since(begun), err
		}
	}
	return 0, nil
}

func always(time.Duration) bool    { return true }
func never(time.Duration) bool     { return false }
func nothing(time.Duration) string { return "" }
func one(time.Duration) string     { return "1" }
func until(d time.Duration) func(time.Duration) bool {
	return func(since time.Duration) bool { return since <= d }
}

func TestASilentNodeIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known, urls := New(), []string{"a", "b", "c"}
		var p Patience
		begin := func(first int) *Pulse { return p.Begin(NewRoute(urls, known, first), time.Now()) }

		if after, err := look(begin(0), time.Hour, always, nothing); err != nil {
			t.Errorf("a node that works was left after %v: %v", after, err)
		}
		if after, err := look(begin(0), time.Hour, until(10*time.Second), nothing); !errors.Is(err, ErrSilent) || after != 10*time.Second+pulsePatience {
			t.Errorf("left after %v: %v, want %v after its last confirm", after, err, pulsePatience)
		}
		if after, err := look(begin(0), time.Hour, until(time.Second), nothing); !errors.Is(err, ErrSilent) || after != time.Second+pulsePatience {
			t.Errorf("another connection that had confirms: left after %v: %v", after, err)
		}
		known.hold("b", time.Hour)
		known.hold("c", time.Hour)
		if after, err := look(begin(0), 10*time.Minute, until(time.Second), nothing); err != nil {
			t.Errorf("left after %v: %v, though no other works", after, err)
		}
		known.free("c")
		if _, err := look(begin(0), time.Minute, until(time.Second), nothing); !errors.Is(err, ErrSilent) {
			t.Error("not left when another works again")
		}
	})
}

// TestANewConnectionIsGivenUpEarly: again and again in a cluster that looks for leaders, seldom in one that has no majority.
func TestANewConnectionIsGivenUpEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known, urls := New(), []string{"a", "b"}
		var p Patience
		lives := func(confirmed func(time.Duration) bool) time.Duration {
			after, _ := look(p.Begin(NewRoute(urls, known, 0), time.Now()), time.Hour, confirmed, nothing)
			return after
		}
		for range freshTries {
			if after := lives(never); after != freshPatience {
				t.Fatalf("given up after %v, want %v", after, freshPatience)
			}
		}
		for range 20 {
			lives(never)
		}
		if after := lives(never); after != mostPatience {
			t.Errorf("given up after %v, want %v once many were", after, mostPatience)
		}
		lives(until(time.Second))
		if after := lives(never); after != freshPatience {
			t.Errorf("given up after %v, want %v after one that worked", after, freshPatience)
		}
		alone := p.Begin(NewRoute(urls[:1], known, 0), time.Now())
		if alone.Clustered() {
			t.Error("one address is no cluster")
		}
	})
}

func TestAStuckMessageIsSentByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known, urls := New(), []string{"a", "b"}
		var p Patience
		lives := func(oldest func(time.Duration) string) time.Duration {
			after, err := look(p.Begin(NewRoute(urls, known, 0), time.Now()), 10*time.Minute, always, oldest)
			if err != nil && !errors.Is(err, ErrStuck) {
				t.Error(err)
			}
			return after
		}
		if after := lives(func(since time.Duration) string { return since.Truncate(time.Second).String() }); after != 0 {
			t.Errorf("given up after %v though messages go on", after)
		}
		first, second := lives(one), lives(one)
		if first < stuckPatience || second < 2*first-time.Second {
			t.Errorf("given up after %v, then after %v: want twice as long", first, second)
		}
		if after := lives(func(time.Duration) string { return "2" }); after != first {
			t.Errorf("given up after %v because of another message, want %v as at first", after, first)
		}
		if known.held("a") {
			t.Error("one message is no reason for the others to pass over the node")
		}
	})
}

func TestABlockedBrokerIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Patience
		u := p.Begin(NewRoute([]string{"a", "b"}, New(), 0), time.Now())
		for range 1000 {
			time.Sleep(250 * time.Millisecond)
			u.Excuse(time.Now())
		}
		if err := u.Look(time.Now(), time.Time{}, "1"); err != nil {
			t.Error(err)
		}
	})
}
