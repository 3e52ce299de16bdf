package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/broker/nodes"
	"chat-service/internal/envelope"
)

// pulseEvery is how often a connection to one node of several shows that the node still confirms messages.
const pulseEvery = time.Second

// pulse leaves a node that confirms nothing while there is another to go to, until ctx ends. What it publishes is an empty batch of
// heartbeats: their queue confirms it when most of its members have it.
func (l *link) pulse(ctx context.Context, conn *amqp.Connection, node Options, judge *nodes.Pulse, leave func(error)) {
	ctx, cancel := context.WithCancel(ctx)
	var at atomic.Pointer[time.Time]
	at.Store(new(time.Time))
	var w sync.WaitGroup
	w.Go(func() {
		for ctx.Err() == nil && !conn.IsClosed() {
			_ = node.beatOn(ctx, conn, &at) // that none is confirmed shows by itself
			sleep(ctx, pulseEvery)
		}
	})
	defer w.Wait()
	defer cancel()
	tick := time.NewTicker(pulseEvery / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		oldest := ""
		if l.oldest != nil {
			oldest = l.oldest()
		}
		if l.State() == Blocked { // a broker short of memory or disk reads nothing from who publishes
			judge.Excuse(time.Now())
		} else if err := judge.Look(time.Now(), *at.Load(), oldest); err != nil {
			leave(err)
			return
		}
	}
}

// beatOn publishes empty batches of heartbeats on a channel of its own, one after the other, and notes when each was confirmed.
func (o Options) beatOn(ctx context.Context, conn *amqp.Connection, at *atomic.Pointer[time.Time]) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }()
	if err := ch.Confirm(false); err != nil {
		return err
	}
	to := o.Beats()
	if !o.Looks { // a worker may write to the queue only
		to = Target{Key: o.beatsQueue()}
	}
	for ctx.Err() == nil {
		c, err := ch.PublishWithDeferredConfirmWithContext(ctx, to.Exchange, to.Key, false, false, amqp.Publishing{
			Body: envelope.Frame(nil, nil), DeliveryMode: amqp.Transient,
		})
		if err != nil {
			return err
		}
		switch acked, err := c.WaitContext(ctx); {
		case err != nil:
			return err
		case !acked: // or the channel is lost; one that knows a lost leader is replaced by another
			return ErrUnavailable
		}
		now := time.Now()
		at.Store(&now)
		sleep(ctx, pulseEvery)
	}
	return nil
}

// oldestUnconfirmed names the message that has waited longest for its confirm, "" if there is none.
func (p *Publisher) oldestUnconfirmed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sent.head == nil {
		return ""
	}
	return p.sent.head.id
}
