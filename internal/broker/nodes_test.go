package broker

import (
	"slices"
	"testing"
)

func TestNodesAreTriedInTurn(t *testing.T) {
	o := Options{URLs: []string{"a", "b", "c"}}
	n := o.nodesFor("consume")
	var tried []string
	var pauses []int
	for i := range 7 {
		tried = append(tried, n.of(o).URL)
		if !n.next(false) {
			pauses = append(pauses, i)
		}
	}
	if want := []string{"b", "c", "a", "b", "c", "a", "b"}; !slices.Equal(tried, want) {
		t.Errorf("tried %v, want %v", tried, want)
	}
	if want := []int{2, 5}; !slices.Equal(pauses, want) {
		t.Errorf("pauses after %v, want %v: one after all nodes", pauses, want)
	}
	n = o.nodesFor("publish")
	if n.next(true) || n.of(o).URL != "b" || !n.next(false) || !n.next(false) || n.next(false) {
		t.Error("after a loss: want a pause, then the others without one")
	}
}

func TestConnectionsOfAProcessSpread(t *testing.T) {
	for _, of := range [][]string{{"publish", "gateway"}, {"publish", "consume", "control"}} {
		urls := []string{"a", "b", "c"}
		seen := map[string]bool{}
		for _, purpose := range of {
			seen[Options{URLs: urls}.nodesFor(purpose).of(Options{}).URL] = true
		}
		if len(seen) != len(of) {
			t.Errorf("%v share nodes: %v", of, seen)
		}
	}
	one := Options{URL: "a"}.nodesFor("control")
	if one.of(Options{}).URL != "a" || one.next(false) || one.of(Options{}).URL != "a" {
		t.Error("with one address: want it, with a pause each time")
	}
}
