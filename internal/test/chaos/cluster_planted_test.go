//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/history"
)

// siteControls are the bugs that only several nodes bring to light, and nothing, which must be clean under all that they are played with.
func siteControls() []siteControl {
	return []siteControl{
		{what: "nothing: what RabbitMQ does must find no fault", prompt: true, play: func(ctx context.Context, w *world) { w.loseLeaders(ctx, 2) }},
		{what: "nothing: what MySQL does must find no fault", play: func(ctx context.Context, w *world) {
			w.lagBehind(ctx)
			w.changePrimary(ctx, true)
		}},
		{bug: "confirm_early", what: "confirmed before the quorum has it", rules: []string{"N2"}, prompt: true, play: func(ctx context.Context, w *world) { w.loseLeaders(ctx, 4) }},
		{bug: "stale_primary", what: "a demoted primary is still written to", rules: []string{"I12", "I1", "I3"}, play: func(ctx context.Context, w *world) { w.changePrimary(ctx, false) }},
		{bug: "replica_unfenced", what: "a replica is read however old it is", rules: []string{"C4"}, play: func(ctx context.Context, w *world) { w.lagBehind(ctx) }},
	}
}

type siteControl struct {
	bug, what string
	rules     []string
	prompt    bool // nothing but RabbitMQ fails: what was taken is answered in time
	play      func(ctx context.Context, w *world)
}

// TestClusterPlanted runs each planted bug (CHAOS_BUG: only those that are listed there) on a site of its own, and fails where the suite
// doesn't see it.
func TestClusterPlanted(t *testing.T) {
	var rows []string
	defer func() {
		fmt.Printf("\n%-20s %-46s %-18s %s\n%s\n\n", "PLANTED BUG", "WHAT IT DOES", "CAUGHT BY", "SECONDS", strings.Join(rows, "\n"))
	}()
	only := strings.Split(os.Getenv("CHAOS_BUG"), ",")
	for _, c := range siteControls() {
		if only[0] != "" && !slices.Contains(only, c.bug) {
			continue
		}
		name := c.bug
		if name == "" {
			name = "none"
		}
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			caught, all := c.run(t)
			mark := strings.Join(caught, " ")
			switch {
			case c.bug == "" && len(all) > 0:
				t.Errorf("without a planted bug there are violations: %v", all[:min(len(all), 10)])
				mark = "UNCLEAN"
			case c.bug == "":
				mark = "clean"
			case len(caught) == 0:
				t.Errorf("the planted bug %s was not caught by %v; found: %v", c.bug, c.rules, all[:min(len(all), 10)])
				mark = "NOT CAUGHT"
			}
			rows = append(rows, fmt.Sprintf("%-20s %-46s %-18s %.0f", name, c.what, mark, time.Since(start).Seconds()))
			say("%s: %s", name, mark)
		})
	}
}

func (c *siteControl) run(t *testing.T) (caught []string, all []history.Violation) {
	plant := c.bug
	if plant == "" || plant == "stale_primary" { // that one is planted in the set-up, not in the programs
		plant = "nothing"
	}
	w := newCluster(t, plan{
		Seed: 1, Clients: 48, Rooms: 8, Rate: 80, Numbers: true, Plant: plant, Prompt: c.prompt, Rest: 90 * time.Second, Stale: c.bug == "stale_primary",
		Env: map[string]string{"CHAT_GATEWAY_ANSWER_TIMEOUT": "40s"},
	})
	w.settle()
	w.traffic()
	pause(t.Context(), 3*time.Second)
	c.play(t.Context(), w)
	w.calmDown()
	w.finals()
	for _, p := range w.people {
		p.c.Stop()
	}
	all, events, dump := w.verdict()
	if os.Getenv("CHAOS_KEEP") != "" {
		say("histories and logs are in %s", w.keep(events, dump, "planted-"+c.bug))
	}
	for _, rule := range c.rules {
		if slices.ContainsFunc(all, func(v history.Violation) bool { return v.Rule == rule }) {
			caught = append(caught, rule)
		}
	}
	return caught, all
}

// must ends a control whose faults can't be made.
func (w *world) must(what string, err error) {
	if err != nil {
		w.t.Fatalf("harness invalid: %s: %v", what, err)
	}
}

// loseLeaders stops the node of RabbitMQ that leads most queues, and kills it, again and again.
func (w *world) loseLeaders(ctx context.Context, times int) {
	r := rand.New(rand.NewPCG(w.o.Seed, 17))
	for range times {
		n, err := w.site.victim(ctx, r, true)
		w.must("the leader", err)
		w.must("its halt", signalIn(n.dir, stack.RabbitMQ, syscall.SIGSTOP))
		pause(ctx, 5*time.Second)
		w.must("its end", signalIn(n.dir, stack.RabbitMQ, syscall.SIGKILL))
	}
	w.must("RabbitMQ", w.site.ready(ctx))
}

// lagBehind has the replica apply nothing for a while, though it has everything, and meanwhile messages recalled that it has.
func (w *world) lagBehind(ctx context.Context) {
	pause(ctx, 6*time.Second)
	d := w.site.replica()
	w.must("the replica's halt", d.do(ctx, "STOP REPLICA SQL_THREAD"))
	for _, rm := range w.rooms {
		last := rm.owner.c.Have(rm.id)
		for back := range min(last, 60) {
			if seq := last - back; back%6 == 5 && w.isText(rm.owner.c, rm.id, seq) {
				rm.owner.c.Change(rm.id, testkit.Ask{Kind: "recall", Seq: seq})
			}
		}
	}
	pause(ctx, 12*time.Second)
	w.must("the replica's return", d.do(ctx, "START REPLICA SQL_THREAD"))
}

// changePrimary promotes the replica and back. Unless fenced, the old primary takes writes meanwhile, and waits for no replica.
func (w *world) changePrimary(ctx context.Context, fenced bool) {
	s, old := w.site, w.site.primary
	if fenced {
		w.must("the old primary's end", signalIn(old.dir, stack.MySQL8, syscall.SIGKILL))
	} else {
		w.must("the old primary's freedom", old.do(ctx, "SET GLOBAL rpl_semi_sync_source_enabled = OFF"))
	}
	_, err := s.promote(ctx)
	w.must("the promotion", err)
	pause(ctx, 5*time.Second)
	if !fenced {
		w.must("the old primary's end", signalIn(old.dir, stack.MySQL8, syscall.SIGKILL))
	}
	w.must("the old primary's return", s.rejoin(ctx))
	w.must("the second one's end", signalIn(s.primary.dir, stack.MySQL8, syscall.SIGKILL))
	_, err = s.promote(ctx)
	w.must("the promotion back", err)
	w.must("the second one's return", s.rejoin(ctx))
}
