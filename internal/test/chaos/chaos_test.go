//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/test/testkit/history"
)

// What `make chaos` runs unless told otherwise, and what a run of at least the usual length must reach.
const (
	usualMinutes = 4
	usualClients = 200
	usualRate    = 250
	roundMinutes = 5 // a longer run is many rounds of this length, each with users and rooms of its own
	leastKills   = 20
	leastAcked   = 30_000
	served       = 60 * time.Second // longer without full service is a failure
)

// result is what a run comes to.
type result struct {
	acked, offered int
	kills          map[string]int
	faults         map[string]int
	recovery       map[string][]time.Duration
	companions     int
	resumed        []time.Duration // of clients whose gateway was killed
	violations     map[string]int
	told           []string // the violations
	invalid        []string
}

func newResult() *result {
	return &result{kills: map[string]int{}, faults: map[string]int{}, recovery: map[string][]time.Duration{}, violations: map[string]int{}}
}

func (r *result) killed() (n int) {
	for _, k := range r.kills {
		n += k
	}
	return n
}

func TestChaos(t *testing.T) {
	seed := uint64(fromEnv("CHAOS_SEED", float64(time.Now().Unix())))
	minutes := fromEnv("CHAOS_MINUTES", usualMinutes)
	say("chaos: SEED=%d MINUTES=%g", seed, minutes)
	o := plan{Clients: int(fromEnv("CHAOS_CLIENTS", usualClients)), Rooms: 24, Rate: fromEnv("CHAOS_RATE", usualRate), Numbers: true, Plain: fromEnv("CHAOS_CHANGES", 1) == 0, Hooked: fromEnv("CHAOS_WEBHOOKS", 1) != 0}
	all := newResult()
	end := time.Now().Add(time.Duration(minutes * float64(time.Minute)))
	for n := uint64(0); n == 0 || time.Until(end) > 30*time.Second && !t.Failed(); n++ {
		o.Seed = seed + n*1_000_003
		length := min(time.Until(end), roundMinutes*time.Minute)
		if n == 0 {
			length = min(time.Duration(minutes*float64(time.Minute)), roundMinutes*time.Minute)
			end = time.Now().Add(time.Duration(minutes * float64(time.Minute))) // building and starting doesn't count
		}
		t.Run(fmt.Sprintf("round %d", n+1), func(t *testing.T) {
			w := newWorld(t, o)
			w.settle()
			w.round(all, length, minutes >= usualMinutes && n == 0)
		})
	}
	all.print(seed)
	if minutes >= usualMinutes && !t.Failed() && (all.killed() < leastKills || all.acked < leastAcked) {
		t.Errorf("harness invalid, this is no judgement of the product: %d acknowledged messages (want %d) and %d kills (want %d); the machine is too slow for the planned load",
			all.acked, leastAcked, all.killed(), leastKills)
	}
}

// round makes faults for a while, waits for rest, and judges. Where a minimum of kills is asked for it goes on a little longer.
func (w *world) round(all *result, length time.Duration, full bool) {
	w.t.Helper()
	w.traffic()
	if w.hooks != nil {
		w.wg.Go(func() { w.outage(w.t.Context(), length) })
	}
	r := rand.New(rand.NewPCG(w.o.Seed, 3))
	since := time.Now()
	if d, missing := w.probes.await(since, served); missing != "" {
		w.t.Fatalf("no service without any fault: %s was not served within %v", missing, served)
	} else {
		say("calm: every partition serves a probe within %v", d.Round(time.Millisecond))
	}
	var cards []fault
	for start := time.Now(); time.Since(start) < length || full && all.killed() < leastKills && time.Since(start) < length+90*time.Second; {
		if len(cards) == 0 {
			cards = chosen(w.deck(r))
		}
		if !w.step(all, cards[0], r) {
			break
		}
		cards = cards[1:]
		pause(w.t.Context(), between(r, 100*time.Millisecond, 1500*time.Millisecond))
	}
	w.conclude(all, "chaos")
}

// chosen are the cards that CHAOS_ONLY names, parts of names with commas between; all where it is not set.
func chosen(cards []fault) []fault {
	only := os.Getenv("CHAOS_ONLY")
	if only == "" {
		return cards
	}
	return slices.DeleteFunc(cards, func(f fault) bool {
		return !slices.ContainsFunc(strings.Split(only, ","), func(part string) bool { return strings.Contains(f.name, part) })
	})
}

// step plays one card, now and then with a second, mild fault on some link, and measures how long service takes to be whole.
// false: it doesn't come back.
func (w *world) step(all *result, f fault, r *rand.Rand) bool {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	w.h.Add(history.Event{Kind: history.Fault, Word: f.name + " begins"})
	done := make(chan struct{})
	companion := ""
	if r.IntN(4) == 0 && !strings.HasPrefix(f.name, "link") {
		names := w.links.names(" → ")
		companion = names[r.IntN(len(names))]
		mean, seed := between(r, 20*time.Millisecond, 150*time.Millisecond), r.Uint64()
		go func() {
			defer close(done)
			jitter(ctx, w.links[companion], mean, time.Minute, rand.New(rand.NewPCG(seed, 1)))
		}()
		all.companions++
	} else {
		close(done)
	}
	since, detail, err := f.run(ctx, w, r)
	cancel()
	<-done
	w.h.Add(history.Event{Kind: history.Fault, Word: f.name + " " + detail + " ends"})
	if err != nil {
		w.t.Errorf("harness invalid: the fault %q can't be made: %v", f.name, err)
		return false
	}
	if f.kill != "" {
		all.kills[f.kill]++
	}
	all.faults[f.name]++
	d, missing := w.probes.await(since, served)
	if missing != "" {
		w.found.add("I14", "%v after %q (%s) %s is still not served", served, f.name, detail, missing)
		return false
	}
	all.recovery[f.name] = append(all.recovery[f.name], d)
	with := ""
	if companion != "" {
		with = ", while " + companion + " was far away"
	}
	say("%-32s %-26s whole again after %6.2f s%s", f.name, detail, d.Seconds(), with)
	return true
}

// conclude waits for rest, judges, and reports.
func (w *world) conclude(all *result, name string) {
	w.t.Helper()
	w.calmDown()
	w.socketsMatch()
	if d, ok, why := w.present(20 * time.Second); !ok {
		w.found.add("I10", "presence is wrong %v after everything came to rest: %s", d, why)
	}
	w.finals()
	for _, p := range w.people {
		p.c.Stop()
	}
	violations, events, dump := w.verdict()
	w.tally(all, events, violations)
	if late := w.lateTicks.Load(); late > w.ticks.Load()/20 {
		all.invalid = append(all.invalid, fmt.Sprintf("the load generator was late in %d of %d ticks, by up to %v", late, w.ticks.Load(), time.Duration(w.late.Load()).Round(time.Millisecond)))
	}
	if os.Getenv("CHAOS_KEEP") != "" {
		say("seed %d: histories and logs are in %s", w.o.Seed, w.keep(events, dump, name))
	}
	if len(violations) == 0 {
		return
	}
	w.t.Fail()
	told := map[string]bool{}
	for _, v := range violations {
		fmt.Println(v)
		if !told[v.Rule] {
			told[v.Rule] = true
			for _, line := range slice(v, events) {
				fmt.Println("    " + line)
			}
		}
	}
	say("seed %d: histories and logs are in %s", w.o.Seed, w.keep(events, dump, name))
}

func (w *world) tally(all *result, events []history.Event, violations []history.Violation) {
	type id struct {
		room, user uint64
		id         string
	}
	acked := map[id]bool{}
	var kills []time.Duration
	lost := map[string]time.Duration{} // clients without a connection since
	for _, e := range events {
		switch e.Kind {
		case history.Sent:
			all.offered++
		case history.Acked:
			acked[id{e.Room, e.User, e.ID}] = true
		case history.Fault:
			if e.Word == killGateway.name+" begins" {
				kills = append(kills, e.At)
			}
		case history.Closed:
			lost[e.Client] = e.At
		case history.Opened:
			at, ok := lost[e.Client]
			delete(lost, e.Client)
			if ok && slices.ContainsFunc(kills, func(k time.Duration) bool { return at >= k && at < k+time.Second }) {
				all.resumed = append(all.resumed, e.At-at)
			}
		}
	}
	all.acked += len(acked)
	for _, v := range violations {
		all.violations[v.Rule]++
		all.told = append(all.told, v.String())
	}
}

func (r *result) print(seed uint64) {
	fmt.Printf("\n== chaos, seed %d\n", seed)
	fmt.Printf("acknowledged messages   %d of %d offered\n", r.acked, r.offered)
	fmt.Printf("kills                   %d: %s\n", r.killed(), counts(r.kills))
	fmt.Printf("faults                  %d, %d of them with a second one: %s\n", total(r.faults), r.companions, counts(r.faults))
	fmt.Println("recovery, from the fault's end (a killed worker or gateway: from the kill; a server: from its open port) until every partition")
	fmt.Println("and REST have served a probe that began after it: median, worst")
	for _, name := range slices.Sorted(maps.Keys(r.recovery)) {
		ds := slices.Sorted(slices.Values(r.recovery[name]))
		fmt.Printf("  %-32s n=%-3d %6.2f s %6.2f s\n", name, len(ds), ds[len(ds)/2].Seconds(), ds[len(ds)-1].Seconds())
	}
	if n := len(r.resumed); n > 0 {
		slices.Sort(r.resumed)
		fmt.Printf("clients of killed gateways  %d resumed, 99 %% within %.2f s, all within %.2f s\n", n, r.resumed[n*99/100].Seconds(), r.resumed[n-1].Seconds())
	}
	fmt.Printf("violations              %d %s\n", total(r.violations), counts(r.violations))
	for _, text := range r.told[:min(len(r.told), 20)] { // again, because much stands before the summary
		fmt.Println("  " + text)
	}
	for _, why := range r.invalid {
		fmt.Printf("harness overloaded      %s\n", why)
	}
	fmt.Println()
}

func total(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

func counts(m map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(parts, ", ")
}
