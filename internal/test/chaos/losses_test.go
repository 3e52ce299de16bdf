//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chat-service/internal/test/testkit/rabbit"
)

// loss is what a node's absence cost, from when it was lost.
type loss struct {
	what               string
	first, whole       time.Duration // until a probe was served, and until all were, without the node
	rabbit             time.Duration // until a queue that the node led took a message, as RabbitMQ's other nodes have it; 0: not known
	missing, firstLane string
}

// loseNode takes a node of RabbitMQ away by do, and waits until service is whole without it.
func (w *world) loseNode(ctx context.Context, n *node, what string, do func() error) (since time.Time, err error) {
	other := w.site.nodes[(slices.Index(w.site.nodes, n)+1)%len(w.site.nodes)]
	watch, err := rabbit.WatchLeader(ctx, n.rabbit(), other.rabbit())
	if err != nil {
		return time.Now(), err
	}
	defer watch.End()
	since = time.Now()
	if err := do(); err != nil {
		return since, err
	}
	own := make(chan time.Duration, 1)
	go func() { own <- watch.Confirmed(ctx, since) }()
	l := w.without(since, what+" "+n.host)
	select {
	case l.rabbit = <-own:
	case <-time.After(5 * time.Second):
		watch.End()
		l.rabbit = <-own
	}
	l.what = what
	w.site.losses = append(w.site.losses, l)
	return since, nil
}

// without waits until service is whole although something is away.
func (w *world) without(since time.Time, what string) (l loss) {
	var last string
	l.whole, l.missing = w.probes.await(since, withoutNode)
	if l.missing != "" {
		w.found.add("N1", "%v after the loss of %s, and without it, %s isn't served", withoutNode, what, l.missing)
		return l
	}
	l.first, l.firstLane, last = w.probes.ends(since)
	say("    without %s: first served after %.2f s (%s), all after %.2f s (%s)", what, l.first.Seconds(), l.firstLane, l.whole.Seconds(), last)
	return l
}

// ends are the first and the last lane that served a probe which began after since.
func (p *prober) ends(since time.Time) (first time.Duration, firstLane, lastLane string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := map[int]time.Duration{}
	for _, s := range p.samples {
		if d := s.done.Sub(since); !s.began.Before(since) && (done[s.lane] == 0 || d < done[s.lane]) {
			done[s.lane] = d
		}
	}
	last := time.Duration(0)
	for lane, d := range done {
		if first == 0 || d < first {
			first, firstLane = d, p.lanes[lane].name
		}
		if d > last {
			last, lastLane = d, p.lanes[lane].name
		}
	}
	return first, firstLane, lastLane
}

// printLosses prints what the losses of nodes cost, by kind.
func printLosses(losses []loss) {
	kinds := map[string][]loss{}
	var names []string
	for _, l := range losses {
		if l.missing != "" {
			continue
		}
		if kinds[l.what] == nil {
			names = append(names, l.what)
		}
		kinds[l.what] = append(kinds[l.what], l)
		kinds["all"] = append(kinds["all"], l)
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	fmt.Println("nodes of RabbitMQ lost, until the first and all partitions and REST are served without them; beside it, until RabbitMQ itself had a new leader: median, worst")
	for _, name := range append(names, "all") {
		of := func(what func(loss) time.Duration) string {
			ds := make([]time.Duration, 0, len(kinds[name]))
			for _, l := range kinds[name] {
				if d := what(l); d > 0 {
					ds = append(ds, d)
				}
			}
			if len(ds) == 0 {
				return "     –       –"
			}
			slices.Sort(ds)
			return fmt.Sprintf("%6.2f s %6.2f s", ds[len(ds)/2].Seconds(), ds[len(ds)-1].Seconds())
		}
		fmt.Printf("  %-34s n=%-3d first %s  all %s  RabbitMQ %s\n", name, len(kinds[name]), of(func(l loss) time.Duration { return l.first }),
			of(func(l loss) time.Duration { return l.whole }), of(func(l loss) time.Duration { return l.rabbit }))
	}
}
