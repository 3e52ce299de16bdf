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
		if _, err := ch.QueueDeclarePassive(o.inQueue(1), true, false, false, false, nil); err != nil {
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

// TestHeartbeatsReachEveryWorker: by the binding that workers of this release make, and directly where there is none, as with workers of
// the release before. A binding that is lost is made again with the next connection.
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
			t.Errorf("the queue is bound: %v, want %v", err, bound)
		}
		before := len(k.got())
		if err := bus.Beat([]byte("beat")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the heartbeat", func() bool { return len(k.got()) > before })
	}
	beat(true)
	raw(t, o, func(ch *amqp.Channel) {
		if err := ch.QueueUnbind(o.Control().Key, beatsKey, o.name("in"), nil); err != nil {
			t.Fatal(err)
		}
	})
	beat(false)
	shut(t, first.Close)
	worker()
	beat(true)
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
