package broker

import "testing"

func TestConnectionsOfAProcessSpread(t *testing.T) {
	for _, of := range [][]string{{"publish", "gateway"}, {"publish", "consume", "control"}} {
		o := Options{URLs: []string{"a", "b", "c"}}.WithDefaults()
		seen := map[string]bool{}
		for _, purpose := range of {
			seen[o.to(o.routeFor(purpose)).URL] = true
		}
		if len(seen) != len(of) {
			t.Errorf("%v share nodes: %v", of, seen)
		}
	}
	one := Options{URL: "a"}.WithDefaults()
	if at := one.to(one.routeFor("control")); at.URL != "a" || at.dialling != 0 || at.setup != setupGrace || one.clustered() {
		t.Errorf("with one address: %+v, want it, and the time that a single node gets", at)
	}
}
