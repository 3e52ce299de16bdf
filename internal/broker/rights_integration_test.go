//go:build integration

package broker

import (
	"errors"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/chat"
)

// TestLooksBeforeItDeclares: a process that looks makes what is missing if it may, and takes what is there as it is.
func TestLooksBeforeItDeclares(t *testing.T) {
	o := options(t, Classic)
	o.Looks = true
	ready := func(o Options) *Publisher {
		t.Helper()
		p, err := NewPublisher(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { shut(t, p.Close) })
		eventually(t, "the publisher is ready", func() bool { return p.Ready() == nil })
		return p
	}
	ready(o)
	raw(t, o, func(ch *amqp.Channel) {
		if _, err := ch.QueueDeclarePassive(o.InQueue(1), true, false, false, false, nil); err != nil {
			t.Errorf("it made no queue: %v", err)
		}
	})
	other := o
	other.QueueType = Quorum
	ready(other) // the type is the workers' business
	other.Looks = false
	p, err := NewPublisher(other)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, p.Close) })
	eventually(t, "one that declares is refused", func() bool {
		lasting := chat.AsPermanent(p.Ready())
		return lasting != nil && strings.Contains(lasting.Do, "rabbitmq.queue_type")
	})
}

// TestHeartbeatsReachEveryWorker: by the queue that workers of this release bind; directly where workers of the release before consume
// another; and from gateways of that release, which know only that one.
func TestHeartbeatsReachEveryWorker(t *testing.T) {
	o := options(t, Classic)
	var k taker
	worker := func() *ControlConsumer {
		t.Helper()
		c, err := NewControlConsumer(o, k.Deliver)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { shut(t, c.Close) })
		eventually(t, "the worker is up", func() bool { return c.Ready() == nil })
		return c
	}
	first := worker()
	p := publisher(t, o)
	bus := NewCommands(p)
	eventually(t, "the publisher is ready", func() bool { return p.Ready() == nil })
	beat := func(bound bool) {
		t.Helper()
		if err := send(t, p, o.Beats(), "look"); (err == nil) != bound {
			t.Errorf("the queue is bound: %v, want %v (%v)", err == nil, bound, err)
		}
		if !bound {
			return
		}
		before := len(k.got())
		if err := bus.Beat([]byte("beat")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the heartbeat", func() bool { return len(k.got()) > before })
	}
	beat(true)
	before := len(k.got())
	eventually(t, "the heartbeat of a gateway of release 0.1.0", func() bool { // until the worker consumes that queue, too
		_ = send(t, p, o.Control(), "old")
		return len(k.got()) > before
	})
	second := worker()
	shut(t, first.Close)
	beat(true)
	shut(t, second.Close)
	beat(false) // so that gateways send theirs to workers of release 0.1.0
	old(t, o, &k)
	before = len(k.got())
	if err := bus.Beat([]byte("beat")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the heartbeat at a worker of release 0.1.0", func() bool { return len(k.got()) > before })
	worker()
	beat(true)
}

// old consumes as a worker of release 0.1.0 does.
func old(t *testing.T, o Options, k *taker) {
	t.Helper()
	conn, err := amqp.Dial(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := o.withTopology(conn, topology.control); err != nil {
		t.Fatal(err)
	}
	in, err := o.WithDefaults().openInbound(conn, o.Control().Key, 1)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for m := range in.received {
			k.Deliver(m.Body)
			in.acker.ack(m.DeliveryTag)
		}
	}()
}

// TestRefusedBesideOthers: what is refused on a channel of its own says so, and costs the other messages nothing.
func TestRefusedBesideOthers(t *testing.T) {
	o := options(t, Classic)
	p := publisher(t, o)
	if err := send(t, p, o.In(0), "before"); err != nil {
		t.Fatal(err)
	}
	outcome := make(chan error, 1)
	p.beside(Target{Exchange: o.name("nowhere")}, []byte("x"), func(err error) { outcome <- err })
	select {
	case err := <-outcome:
		var refused *amqp.Error
		if !errors.As(err, &refused) || refused.Code != amqp.NotFound {
			t.Errorf("refused by %v", err)
		}
	case <-time.After(patience):
		t.Fatal("no outcome")
	}
	if err := send(t, p, o.In(0), "after"); err != nil || p.seq != 2 {
		t.Errorf("%v, %d published", err, p.seq)
	}
}
