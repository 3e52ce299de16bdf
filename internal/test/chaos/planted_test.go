//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/history"
)

// control is a negative control: a bug planted in the programs, what provokes it, and the rules that must catch it.
type control struct {
	bug   string
	what  string
	rules []string
	env   map[string]string
	posts bool
	// hooked: an endpoint is told of everything.
	hooked bool
	rate   float64
	ready  func(w *world) // before anybody writes
	play   func(ctx context.Context, w *world)
}

// controls are the planted bugs. The place of each is in the product, marked by faults.Planted.
func controls() []control {
	return []control{
		{bug: "no_dedup", what: "retries are not looked up, no unique index", rules: []string{"I1", "I11"}, ready: dropIndex, play: cutClients},
		{bug: "ack_before_commit", what: "acknowledged, then committed", rules: []string{"I12", "I1", "I6"}, play: killWorkers},
		{
			bug: "ack_inbound_before_publish", what: "inbound batch let go before its answers are out", rules: []string{"F3"},
			env: map[string]string{"CHAT_FAULTS_KILL": "early_ack=40", "CHAT_GATEWAY_ANSWER_TIMEOUT": "6s"}, play: reviveWorkers,
		},
		{bug: "unread_incr", what: "a retry counts as a message", rules: []string{"I3", "I8"}, play: stealSome}, // acks, too
		{bug: "unordered_retry", what: "a batch comes after later ones", rules: []string{"I4"}, play: justLoad(6 * time.Second)},
		{
			bug: "unregister_no_cas", what: "a socket's end takes the user's others with it", rules: []string{"I10"},
			env: map[string]string{"CHAT_WORKER_OFFLINE_GRACE": "200ms"}, rate: 30, play: justLoad(24 * time.Second),
		},
		{bug: "skip_membership", what: "who was removed still sends and receives", rules: []string{"I7"}, play: justLoad(6 * time.Second)},
		{bug: "ci_key", what: "client_msg_ids compare without case", rules: []string{"I11"}, play: justLoad(4 * time.Second)},
		{bug: "lose_return", what: "an undeliverable delivery is done, and no digest tells", rules: []string{"I6", "I14"}, play: loseTail},
		{bug: "partial_recovery", what: "sync says complete after half", rules: []string{"I6"}, play: keepOut},
		{bug: "seq_select", what: "seq from a SELECT without the lock, no primary key", rules: []string{"I3"}, posts: true, ready: dropKey, play: justLoad(8 * time.Second)},
		{bug: "beat_blind", what: "a worker without its broker stays on the list", rules: []string{"F1"}, play: strained(&blindWorker)},
		{bug: "deaf_listener", what: "a listener ends when the files are used up", rules: []string{"F2"}, play: strained(&fullGateway)},
		{bug: "kernel_keeps", what: "a slow socket's bytes stay in the kernel", rules: []string{"F7"}, play: strained(&deafReaders)},
		{bug: "no_change_memory", what: "retried changes are made again", rules: []string{"C1"}, ready: dropChangeKey, play: cutClients},
		{bug: "lose_change", what: "half of the changes are told to nobody, nor their number", rules: []string{"C2", "I14"}, play: justLoad(6 * time.Second)},
		{bug: "hub_no_change_gap", what: "the hub delivers changes over a gap", rules: []string{"C2"}, play: stealSome},
		{bug: "change_overtakes", what: "a change comes before what happened before it", rules: []string{"C6"}, play: comeAndGo(40)},
		{bug: "number_nothing", what: "what changes nothing takes a number", rules: []string{"C3"}, play: justLoad(6 * time.Second)},
		{bug: "stale_recent", what: "pages are cached across changes", rules: []string{"C4"}, rate: 20, play: justLoad(14 * time.Second)},
		{bug: "count_recalled", what: "a recalled message counts as unread", rules: []string{"C5"}, play: justLoad(6 * time.Second)},
		{bug: "show_hidden", what: "who joined later is told of earlier messages", rules: []string{"C6"}, play: justLoad(8 * time.Second)},
		{bug: "sync_leaver", what: "who was removed catches up on changes", rules: []string{"C6"}, play: justLoad(8 * time.Second)},
		{bug: "webhook_moves_early", what: "a cursor moves before the endpoint has answered", rules: []string{"W1"}, hooked: true, play: justLoad(8 * time.Second)},
		{bug: "hub_no_gap", what: "the hub delivers over a gap", rules: []string{"I6"}, play: stealSome},
	}
}

// TestPlanted runs each planted bug (CHAOS_BUG: only those that are listed there) and fails where the suite doesn't see it. Before, the
// same is played without any bug: it must be clean, else what is caught says nothing.
func TestPlanted(t *testing.T) {
	var rows []string
	defer func() {
		fmt.Printf("\n%-28s %-52s %-18s %s\n%s\n\n", "PLANTED BUG", "WHAT IT DOES", "CAUGHT BY", "SECONDS", strings.Join(rows, "\n"))
	}()
	only := strings.Split(os.Getenv("CHAOS_BUG"), ",")
	began := time.Now()
	for _, c := range append([]control{{what: "nothing: the same faults must find no fault", play: everything}}, controls()...) {
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
				t.Errorf("the planted bug %s was not caught by %v; found: %v", c.bug, c.rules, all)
				mark = "NOT CAUGHT"
			}
			rows = append(rows, fmt.Sprintf("%-28s %-52s %-18s %.0f", name, c.what, mark, time.Since(start).Seconds()))
			say("%s: %s", name, mark)
		})
	}
	say("planted bugs: %.0f s in all", time.Since(began).Seconds())
}

// run plays a control and returns the expected rules that were broken, and all violations.
func (c *control) run(t *testing.T) (caught []string, all []history.Violation) {
	o := plan{
		Seed: 1, Clients: 48, Rooms: 8, Rate: 100, Numbers: true, Plant: c.bug, Posts: c.posts, Hooked: c.hooked || c.bug == "", Rest: 15 * time.Second,
		Env: map[string]string{"CHAT_WORKER_DIGEST_EVERY": "2s"},
	}
	if c.bug == "" {
		o.Plant, o.Rest = "nothing", 0
	}
	for k, v := range c.env {
		o.Env[k] = v
	}
	if c.rate > 0 {
		o.Rate = c.rate
	}
	o.Prompt = slices.Contains(c.rules, "F3")
	w := newWorld(t, o)
	if c.ready != nil {
		c.ready(w)
	}
	w.settle()
	w.traffic()
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

func dropIndex(w *world) {
	if _, err := w.DB.DB.ExecContext(w.t.Context(), "ALTER TABLE messages DROP INDEX messages_once"); err != nil {
		w.t.Fatal(err)
	}
}

// dropKey takes the second fence away, behind which the first one's loss would not show.
func dropKey(w *world) {
	if _, err := w.DB.DB.ExecContext(w.t.Context(), "ALTER TABLE messages DROP PRIMARY KEY, ADD KEY (room_id, seq)"); err != nil {
		w.t.Fatal(err)
	}
}

// dropChangeKey takes the second fence away that the memory of changes has.
func dropChangeKey(w *world) {
	if _, err := w.DB.DB.ExecContext(w.t.Context(), "ALTER TABLE room_changes DROP INDEX room_changes_once"); err != nil {
		w.t.Fatal(err)
	}
}

// comeAndGo lets members leave and come back so many times, which under other load takes longer.
func comeAndGo(times int) func(context.Context, *world) {
	return func(ctx context.Context, w *world) {
		moves := func() (n int) {
			if w.DB.DB.QueryRowContext(ctx, "SELECT COUNT(*) FROM messages WHERE kind = 'system'").Scan(&n) != nil {
				return 0
			}
			return n
		}
		enough := moves() + 2*times // the log says both
		testkit.Eventually(w.t, time.Minute, func() (bool, string) {
			n := moves()
			return n >= enough, fmt.Sprintf("%d of %d who leave or come are in the rooms' logs", n, enough)
		})
	}
}

func justLoad(d time.Duration) func(context.Context, *world) {
	return func(ctx context.Context, _ *world) { pause(ctx, d) }
}

// cutClients loses acks: clients come back and repeat.
func cutClients(ctx context.Context, w *world) {
	for range 8 {
		pause(ctx, 700*time.Millisecond)
		for _, name := range w.links.names("clients") {
			w.links[name].Cut()
		}
	}
}

func killWorkers(ctx context.Context, w *world) {
	for i := range 4 {
		pause(ctx, time.Second)
		name := []string{"worker-1", "worker-2"}[i%2]
		w.Kill(w.t, name)
		w.Restart(w.t, name)
	}
	pause(ctx, time.Second)
}

// reviveWorkers starts workers again that a failpoint has ended.
func reviveWorkers(ctx context.Context, w *world) {
	for end := time.Now().Add(14 * time.Second); time.Now().Before(end); pause(ctx, 200*time.Millisecond) {
		for _, name := range []string{"worker-1", "worker-2"} {
			if ok, _ := w.Ready(ctx, name); !ok {
				w.Restart(w.t, name)
			}
		}
	}
}

// loseTail takes the last deliveries of all rooms away.
func loseTail(ctx context.Context, w *world) {
	pause(ctx, 2*time.Second)
	w.hush()
	w.stealTail(ctx)
}

// hush ends the traffic and waits until all have everything: a message that waits for another one's ack would follow a last word
// and give it away.
func (w *world) hush() {
	w.t.Helper()
	w.still()
	if ok, why := w.atRest(quiescence); !ok {
		w.t.Errorf("not at rest before the last word: %s", why)
	}
}

// stealTail has somebody in every room say a last word that reaches nobody.
func (w *world) stealTail(ctx context.Context) {
	var idle []*person // one of each room, with nothing unanswered before
	for _, rm := range w.rooms {
		testkit.Eventually(w.t, 20*time.Second, func() (bool, string) {
			i := slices.IndexFunc(rm.speakers, func(p *person) bool { ok, _ := p.c.AtRest(); return ok })
			if i >= 0 {
				idle = append(idle, rm.speakers[i])
			}
			return i >= 0, fmt.Sprintf("everybody in room %d waits for something", rm.id)
		})
	}
	before := w.lastWords(ctx)
	last := func() {
		for i, rm := range w.rooms {
			idle[i].c.Send(rm.id, "the last word")
		}
		w.stored(ctx, before+len(w.rooms))
		pause(ctx, 500*time.Millisecond)
	}
	err := w.steal(ctx, "gateway-1", func() {
		if err := w.steal(ctx, "gateway-2", last); err != nil {
			w.t.Errorf("harness invalid: %v", err)
		}
	})
	if err != nil {
		w.t.Errorf("harness invalid: %v", err)
	}
}

// stored waits until so many last words stand in the database.
func (w *world) stored(ctx context.Context, want int) {
	testkit.Eventually(w.t, 20*time.Second, func() (bool, string) {
		n := w.lastWords(ctx)
		return n >= want, fmt.Sprintf("%d of %d last words are stored", n, want)
	})
}

// lastWords counts them; -1 while the database can't tell.
func (w *world) lastWords(ctx context.Context) (n int) {
	if w.DB.DB.QueryRowContext(ctx, "SELECT COUNT(*) FROM messages WHERE content = 'the last word'").Scan(&n) != nil {
		return -1
	}
	return n
}

// keepOut keeps clients away for a while, so that they have to catch up.
func keepOut(ctx context.Context, w *world) {
	for range 2 {
		pause(ctx, time.Second)
		for _, name := range w.links.names("clients") {
			w.links[name].Refuse(true)
			w.links[name].Cut()
		}
		pause(ctx, 500*time.Millisecond)
		for _, rm := range w.rooms { // by REST life goes on
			for n := range 10 {
				id := fmt.Sprintf("meanwhile.%d.%d", time.Now().UnixNano(), n)
				w.h.Add(history.Event{Kind: history.Sent, Client: "meanwhile", User: rm.owner.ID, Room: rm.id, ID: id, Content: "meanwhile"})
				w.post(ctx, "meanwhile", rm.owner.User, rm.id, id, "meanwhile")
			}
		}
		for _, name := range w.links.names("clients") {
			w.links[name].Resume()
		}
	}
	pause(ctx, 2*time.Second)
}

func stealSome(ctx context.Context, w *world) {
	for i := range 6 {
		pause(ctx, 500*time.Millisecond)
		name := []string{"gateway-1", "gateway-2"}[i%2]
		if err := w.steal(ctx, name, func() { pause(ctx, 400*time.Millisecond) }); err != nil {
			w.t.Errorf("harness invalid: %v", err)
		}
	}
}

// everything plays all of it.
func everything(ctx context.Context, w *world) {
	cutClients(ctx, w)
	killWorkers(ctx, w)
	stealSome(ctx, w)
	keepOut(ctx, w)
	for _, f := range []*fault{&blindWorker, &fullGateway, &deafReaders} {
		strained(f)(ctx, w)
	}
	w.hush()
	w.stealTail(ctx)
}
