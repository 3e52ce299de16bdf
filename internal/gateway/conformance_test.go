package gateway

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"chat-service/internal/test/wscases"
)

const jsonPing = `{"type":"ping"}`

// TestConformance runs the cases and logs a table by group.
func TestConformance(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) { o.QueueBytes = 1 << 20 })
	neighbour := gt.login(1)
	all := wscases.Suite()
	type tally struct{ good, all int }
	groups := map[string]*tally{}
	seen := map[string]bool{}
	for i, c := range all {
		if seen[c.Group+c.ID] {
			t.Errorf("%s, %s is there twice", c.Group, c.ID)
		}
		seen[c.Group+c.ID] = true
		g := groups[c.Group]
		if g == nil {
			g = &tally{}
			groups[c.Group] = g
		}
		g.all++
		if got := gt.run(c, i+2); slices.Equal(got, c.Want) {
			g.good++
		} else {
			t.Errorf("%s, %s: got %q, want %q", c.Group, c.ID, abridged(got), abridged(c.Want))
		}
	}
	neighbour.send(`{"type":"message","room_id":7,"content":"fine","client_msg_id":"n"}`)
	neighbour.untilAck("n")
	var table strings.Builder
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range groups {
			if !yield(name) {
				return
			}
		}
	}) {
		fmt.Fprintf(&table, "\n%-20s %3d of %3d", name, groups[name].good, groups[name].all)
	}
	t.Logf("%d cases by group:%s", len(all), table.String())
	if len(all) < 150 {
		t.Errorf("only %d cases", len(all))
	}
}

// abridged is a list for an error.
func abridged(l []string) []string { return l[:min(len(l), 5)] }

// run runs a case on a socket of its own and returns what the client got.
func (gt *gate) run(c wscases.Case, user int) (got []string) {
	s := gt.login(user)
	defer func() { _ = s.conn.Close() }()
	for _, b := range c.Sent {
		s.write(b)
	}
	s.send(`{"type":"message","room_id":8,"content":"still here","client_msg_id":"last"}`)
	for {
		op, payload, err := s.next()
		switch {
		case err != nil:
			return append(got, "ERROR "+err.Error())
		case op == opPong:
			got = append(got, "PONG "+string(payload))
		case op == opClose:
			var e *closedError
			_ = errors.As(closed(payload), &e)
			return append(got, fmt.Sprintf("CLOSE %d", e.code))
		case op == opText:
			var f frame
			_ = json.Unmarshal(payload, &f)
			if f.Type == "ack" {
				return got
			}
			got = append(got, cmp.Or(f.Type, "?"))
		}
	}
}
