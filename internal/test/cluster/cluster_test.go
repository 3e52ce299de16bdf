//go:build chaos

package cluster

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/history"
	"chat-service/internal/test/testkit/rabbit"
)

const (
	lossesVar  = "CLUSTER_LOSSES"
	healWithin = 30 * time.Second // without the node: a bound against standing still, far above what is measured
	pace       = 100 * time.Millisecond
)

// world is the product, with a few rooms in which two members talk.
type world struct {
	*testkit.Fleet
	nodes []*node // of RabbitMQ, if it is a cluster
	h     *history.History
	rooms []uint64
	said  map[uint64][2]*testkit.Chatter
	all   []*testkit.Chatter
	first testkit.User // a member of the first room
}

func newWorld(t *testing.T) *world {
	t.Helper()
	nodes := startNodes(t)
	var urls []string
	for _, n := range nodes {
		urls = append(urls, n.through(t))
	}
	w := startWorld(t, testkit.FleetOptions{Admin: true, EnvOf: func(process string, env map[string]string) {
		env["CHAT_RABBITMQ_QUEUE_TYPE"] = "quorum"
		if !strings.HasPrefix(process, "api") { // which uses no RabbitMQ
			delete(env, "CHAT_RABBITMQ_URL")
			env["CHAT_RABBITMQ_URLS"] = strings.Join(urls, ",")
		}
	}})
	w.nodes = nodes
	return w
}

// startWorld starts two gateways, two workers and an api, and whoever talks.
func startWorld(t *testing.T, o testkit.FleetOptions) *world {
	t.Helper()
	o.Gateways, o.Workers, o.APIs = 2, 2, 1
	o.Env = map[string]string{
		"CHAT_RABBITMQ_PARTITIONS": "4", "CHAT_AUTH_ARGON2_MEMORY_KIB": "1024", "CHAT_AUTH_ARGON2_TIME": "1",
		"CHAT_LIMITS_LOGIN_PER_MINUTE": "0", "CHAT_LIMITS_REGISTER_PER_MINUTE": "0", "CHAT_LIMITS_MESSAGES_PER_SECOND": "0",
		"CHAT_LIMITS_CONNECTS_PER_MINUTE": "0", "CHAT_GATEWAY_DRAIN": "2s", "CHAT_LOG_LEVEL": "debug",
	}
	w := &world{Fleet: testkit.StartFleet(t, o), h: history.New(), said: map[uint64][2]*testkit.Chatter{}}
	for range 6 {
		pair := [2]testkit.User{w.API(1).User(t), w.API(1).User(t)}
		room := w.API(1).CreateRoom(t, pair[0], pair[1])
		if w.rooms = append(w.rooms, room); len(w.rooms) == 1 {
			w.first = pair[0]
		}
		both := [2]*testkit.Chatter{}
		for i, u := range pair {
			both[i] = testkit.StartChatter(t, testkit.ChatterOptions{
				Name: fmt.Sprintf("%d.%d", room, i), User: u.ID, URL: func() string { return w.WS(1 + i) }, Token: func() string { return u.Token },
				History: w.h, Seed: u.ID, All: true, Resend: time.Second,
			})
		}
		w.said[room], w.all = both, append(w.all, both[:]...)
	}
	return w
}

// talk has a member of each room say something all the time, until ctx ends.
func (w *world) talk(ctx context.Context) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, room := range w.rooms {
			w.said[room][n%2].Send(room, strconv.Itoa(n))
		}
	}
}

// flows returns when an ack for something said after since came first, and when each room had one; false while one lacks it.
func (w *world) flows(since time.Duration) (first, all time.Duration, ok bool) {
	said, in := map[string]bool{}, map[uint64]bool{}
	for _, e := range w.h.Events() {
		switch {
		case e.At < since:
		case e.Kind == history.Sent:
			said[e.ID] = true
		case e.Kind == history.Acked && said[e.ID] && !in[e.Room]:
			if in[e.Room] = true; first == 0 {
				first = e.At - since
			}
			all = e.At - since
		}
	}
	return first, all, len(in) == len(w.rooms)
}

// standing says where it stands still: rooms without an ack, and what waits in the queues by the account of a node.
func (w *world) standing(t *testing.T, n *node, since time.Duration) string {
	t.Helper()
	var b strings.Builder
	said, in := map[string]bool{}, map[uint64]bool{}
	for _, e := range w.h.Events() {
		switch {
		case e.At < since:
		case e.Kind == history.Sent:
			said[e.ID] = true
		case e.Kind == history.Acked && said[e.ID]:
			in[e.Room] = true
		}
	}
	for _, room := range w.rooms {
		if !in[room] {
			fmt.Fprintf(&b, "no ack in room %d, partition %d\n", room, chat.RoomID(room).Partition(4))
		}
	}
	for _, q := range n.depths(t) {
		fmt.Fprintln(&b, q)
	}
	return b.String()
}

// ready reports whether all processes are.
func (w *world) ready(ctx context.Context) (bool, string) {
	for _, name := range w.Names() {
		if ok, why := w.Ready(ctx, name); !ok {
			return false, why
		}
	}
	return true, ""
}

// loss loses the node that leads most and to which everything is connected, and returns how long no acks came.
func (w *world) loss(t *testing.T, way string) (leaders, first, all time.Duration) {
	t.Helper()
	testkit.Eventually(t, patience, func() (bool, string) { return whole(t.Context(), w.nodes) })
	busiest, err := rabbit.Busiest(t.Context(), rabbits(w.nodes))
	if err != nil {
		t.Fatal(err)
	}
	victim := w.nodes[busiest]
	gather(t, w.nodes, victim)
	testkit.Eventually(t, patience, func() (bool, string) { return w.ready(t.Context()) })
	begun := w.h.Now()
	testkit.Eventually(t, patience, func() (bool, string) {
		_, _, ok := w.flows(begun)
		return ok, "acks don't flow before the loss"
	})
	other := w.nodes[(slices.Index(w.nodes, victim)+1)%len(w.nodes)]
	l, err := rabbit.WatchLeader(t.Context(), victim.rabbit(), other.rabbit())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range w.nodes {
		n.proxy.Resume()
	}
	// What the processes found out about the others while these refused them is forgotten by then.
	<-time.After(6 * time.Second)
	since, at := w.h.Now(), time.Now()
	back := victim.lose(t, way)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if leaders = l.Confirmed(ctx, at); leaders == 0 {
		t.Errorf("RabbitMQ has no new leader within %v", patience)
	}
	healed := false
	for end := at.Add(healWithin); !healed && time.Now().Before(end); {
		if first, all, healed = w.flows(since); !healed {
			<-time.After(20 * time.Millisecond)
		}
	}
	if !healed {
		_, why := w.ready(t.Context())
		t.Errorf("%s %s: no acks %v later, without it; %s\n%s", victim.name, way, healWithin, why, w.standing(t, other, since))
	}
	back()
	return leaders, first, all
}

// judge waits until every client has got its answers, ends them, and checks what they saw. It returns how many messages were acknowledged.
func (w *world) judge(t *testing.T) (acked int) {
	t.Helper()
	testkit.Eventually(t, patience, func() (bool, string) {
		for _, c := range w.all {
			if ok, why := c.AtRest(); !ok {
				return false, why
			}
		}
		return true, ""
	})
	for _, c := range w.all {
		c.Stop()
	}
	events := w.h.Events()
	for _, e := range events {
		if e.Kind == history.Acked {
			acked++
		}
	}
	history.MustHold(t, events, history.LoadDump(t, w.DB.DB))
	return acked
}

// TestLostNode loses a node again and again, by turns killed and stopped, and wants each time that acks flow before it comes back, and
// nothing lost in the end. The times are printed, not judged: they are the machine's, too.
func TestLostNode(t *testing.T) {
	losses := 2
	if n, err := strconv.Atoi(os.Getenv(lossesVar)); err == nil {
		losses = n
	}
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var talking sync.WaitGroup
	talking.Go(func() { w.talk(ctx) })
	times := map[string][]time.Duration{}
	for i := range losses {
		way := []string{"killed", "stopped"}[i%2]
		leaders, first, all := w.loss(t, way)
		times[way] = append(times[way], all)
		fmt.Printf("%s: RabbitMQ's new leader after %.1f s, the first ack after %.1f s, acks in all rooms after %.1f s\n",
			way, leaders.Seconds(), first.Seconds(), all.Seconds())
		if t.Failed() {
			break
		}
	}
	cancel()
	talking.Wait()
	testkit.Eventually(t, patience, func() (bool, string) { return whole(t.Context(), w.nodes) })
	acked := w.judge(t)
	for way, list := range times {
		slices.Sort(list)
		fmt.Printf("%d × %s: median %.1f s, worst %.1f s\n", len(list), way, list[len(list)/2].Seconds(), list[len(list)-1].Seconds())
	}
	fmt.Printf("%d messages acknowledged\n", acked)
}
