// Package rabbit asks RabbitMQ's HTTP API about a cluster, and measures how long its queues take to have new leaders.
package rabbit

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	answerWithin = 5 * time.Second
	tryEvery     = 200 * time.Millisecond
	guest        = "guest"
)

// Node is one node, as a test reaches it.
type Node struct {
	Name string // as RabbitMQ has it: rabbit@host
	API  string // host:port of the HTTP API
	AMQP string // URL
}

// Settings of RabbitMQ are those of docs/clusters.md.
const Settings = `{rabbit, [{cluster_partition_handling, pause_minority}, {queue_leader_locator, <<"balanced">>}]}, {kernel, [{net_ticktime, 3}, {net_setuptime, 1}]}, {aten, [{poll_interval, 1000}]}`

// Get asks the node's HTTP API as guest.
func (n Node) Get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.API+path, nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth(guest, guest)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// Queue is what the HTTP API says of a quorum queue.
type Queue struct {
	Name, Leader    string
	Members, Online []string
}

// Queues are the cluster's queues by the node's account.
func (n Node) Queues(ctx context.Context) (qs []Queue, err error) {
	return qs, n.Get(ctx, "/api/queues", &qs)
}

// Whole reports whether all nodes run and all quorum queues have all members, by each node's own account; if not, why, and which node isn't
// there ("" where that isn't known).
func Whole(ctx context.Context, nodes []Node) (ok bool, lost, why string) {
	for _, n := range nodes {
		var all []struct {
			Name    string
			Running bool
		}
		if err := n.Get(ctx, "/api/nodes", &all); err != nil {
			return false, n.Name, n.Name + ": " + err.Error()
		}
		for _, one := range all {
			if !one.Running {
				return false, one.Name, n.Name + " takes " + one.Name + " for down"
			}
		}
		if len(all) < len(nodes) {
			return false, "", fmt.Sprintf("%s knows %d nodes", n.Name, len(all))
		}
		qs, err := n.Queues(ctx)
		if err != nil {
			return false, n.Name, n.Name + ": " + err.Error()
		}
		for _, q := range qs {
			if len(q.Online) < len(q.Members) {
				away := slices.DeleteFunc(q.Members, func(m string) bool { return slices.Contains(q.Online, m) })
				return false, away[0], fmt.Sprintf("%s isn't a member of %s, by %s", away[0], q.Name, n.Name)
			}
		}
	}
	return true, "", ""
}

// Busiest is the index of the node that leads most queues, by the first one's account.
func Busiest(ctx context.Context, nodes []Node) (int, error) {
	qs, err := nodes[0].Queues(ctx)
	if err != nil {
		return 0, err
	}
	leads := map[string]int{}
	for _, q := range qs {
		leads[q.Leader]++
	}
	most := 0
	for i, n := range nodes {
		if leads[n.Name] > leads[nodes[most].Name] {
			most = i
		}
	}
	return most, nil
}

// Watch measures how long a quorum queue that is led by a lost node takes to confirm again, asked at another node.
type Watch struct {
	conn  *amqp.Connection
	queue string
}

// WatchLeader makes a queue that a node leads. End must follow.
func WatchLeader(ctx context.Context, lost, other Node) (*Watch, error) {
	at, err := dial(ctx, lost)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	ch, err := at.Channel()
	if err != nil {
		return nil, err
	}
	w := &Watch{queue: fmt.Sprint("watched.", time.Now().UnixNano())}
	args := amqp.Table{"x-queue-type": "quorum", "x-expires": 120_000, "x-queue-leader-locator": "client-local"}
	if _, err := ch.QueueDeclare(w.queue, true, false, false, false, args); err != nil {
		return nil, err
	}
	w.conn, err = dial(ctx, other)
	return w, err
}

func dial(ctx context.Context, n Node) (*amqp.Connection, error) {
	return amqp.DialConfig(n.AMQP, amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
		d := net.Dialer{Timeout: answerWithin}
		return d.DialContext(ctx, network, addr)
	}})
}

// Confirmed returns how long after since the queue took a message, 0 if it didn't before End. Each try has a channel of its own: one that
// has met a queue without a leader may refuse everything.
func (w *Watch) Confirmed(ctx context.Context, since time.Time) time.Duration {
	var took atomic.Int64
	var tries sync.WaitGroup
	pause := time.NewTicker(tryEvery)
	defer pause.Stop()
	for took.Load() == 0 && ctx.Err() == nil && !w.conn.IsClosed() {
		tries.Go(func() {
			if w.try(ctx) {
				took.CompareAndSwap(0, int64(time.Since(since)))
			}
		})
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
	w.End()
	tries.Wait()
	return time.Duration(took.Load())
}

func (w *Watch) try(ctx context.Context) bool {
	ch, err := w.conn.Channel()
	if err != nil {
		return false
	}
	defer ch.Close()
	if ch.Confirm(false) != nil {
		return false
	}
	c, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", w.queue, false, false, amqp.Publishing{Body: []byte("?")})
	if err != nil {
		return false
	}
	ok, err := c.WaitContext(ctx)
	return ok && err == nil
}

// End ends the connection, and with it what waits.
func (w *Watch) End() { _ = w.conn.CloseDeadline(time.Now().Add(time.Second)) }
