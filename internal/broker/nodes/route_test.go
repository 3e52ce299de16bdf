package nodes

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestNodesAreTriedInTurn(t *testing.T) {
	r := NewRoute([]string{"a", "b", "c"}, New(), 1)
	var tried []string
	var pauses []int
	for i := range 7 {
		tried = append(tried, r.URL())
		if !r.Next(false) {
			pauses = append(pauses, i)
		}
	}
	if want := []string{"b", "c", "a", "b", "c", "a", "b"}; !slices.Equal(tried, want) {
		t.Errorf("tried %v, want %v", tried, want)
	}
	if want := []int{2, 5}; !slices.Equal(pauses, want) {
		t.Errorf("pauses after %v, want %v: one after all nodes", pauses, want)
	}
	if r.Dial() != 4*firstDial || r.Setup(time.Hour) != 4*firstSetup || r.Setup(time.Second) != time.Second {
		t.Errorf("after two rounds in vain: %v, %v", r.Dial(), r.Setup(time.Hour))
	}
	r = NewRoute([]string{"a", "b", "c"}, New(), 0)
	if r.Next(true) || r.URL() != "b" || !r.Next(false) || !r.Next(false) || r.Next(false) {
		t.Error("after a loss: want a pause, then the others without one")
	}
	r = NewRoute([]string{"a"}, New(), 2)
	if r.URL() != "a" || r.Next(false) || r.URL() != "a" || r.Dial() != 0 || r.Setup(time.Hour) != time.Hour {
		t.Error("with one address: want it, with a pause each time, and no hurry")
	}
}

// TestOneConnectionFindsOutForAll: the others pass over what it found unreachable, for a while, and only while there is another.
func TestOneConnectionFindsOutForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known, urls := New(), []string{"a", "b", "c"}
		NewRoute(urls, known, 1).Failed()
		next := func() string {
			r := NewRoute(urls, known, 0)
			r.Next(true)
			return r.URL()
		}
		if got := next(); got != "c" {
			t.Errorf("went to %s, want past the unreachable one", got)
		}
		NewRoute(urls, known, 2).Failed()
		NewRoute(urls, known, 0).Failed()
		if got := next(); got != "b" {
			t.Errorf("went to %s, want the next when none is known to work", got)
		}
		known.free("a")
		if !known.other(urls, "b") || known.other(urls, "a") {
			t.Error("a works again, and only it")
		}
		time.Sleep(unreachableHold)
		if got := next(); got != "b" {
			t.Errorf("went to %s, want the next after a while", got)
		}
	})
}
