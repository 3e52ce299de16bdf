package broker

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/chat"
)

// besideWithin bounds a message beside the others.
const besideWithin = 5 * time.Second

// beside publishes one message on a channel of its own: if it is refused, those on the publisher's channel don't suffer. One is under way
// at a time; more are dropped. told gets the outcome from a goroutine that Close waits for.
func (p *Publisher) beside(t Target, body []byte, told func(error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil || p.closing || p.besideBusy {
		return
	}
	p.besideBusy = true
	s := p.current.sink
	p.besides.Go(func() {
		err := s.beside(t, body)
		p.mu.Lock()
		p.besideBusy = false
		p.mu.Unlock()
		told(p.o.judge(err))
	})
}

// beside publishes on a new channel and waits for the confirm.
func (s channelSink) beside(t Target, body []byte) error {
	ch, err := s.conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer func() { _ = ch.Close() }()
	closes := ch.NotifyClose(make(chan *amqp.Error, 1))
	if err := ch.Confirm(false); err != nil {
		return fmt.Errorf("confirm mode: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), besideWithin)
	defer cancel()
	c, err := ch.PublishWithDeferredConfirmWithContext(ctx, t.Exchange, t.Key, t.Mandatory, false, amqp.Publishing{Body: body, DeliveryMode: amqp.Transient})
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	switch taken, err := c.WaitContext(ctx); {
	case err != nil:
		return fmt.Errorf("confirm: %w", err)
	case taken:
		return nil
	}
	select {
	case err := <-closes:
		if err != nil {
			return lostBy(err)
		}
	case <-ctx.Done():
	}
	return ErrUnavailable
}

// bindEvery is how often the control queue is bound again while that is refused.
const bindEvery = 5 * time.Second

// bindControl binds the control queue to the gateways' exchange. A worker whose user may not yet, because it has the rights of an earlier
// release, goes on: gateways then write to the queue directly, if theirs may.
func (o Options) bindControl(conn *amqp.Connection) error {
	return o.withTopology(conn, func(t topology) error { return t.bind(o.Control().Key, beatsKey, o.name("in")) })
}

// keepBound binds it, and goes on trying until end is called while that fails.
func (o Options) keepBound(ctx context.Context, conn *amqp.Connection) (end func()) {
	err := o.bindControl(conn)
	if err == nil {
		return func() {}
	}
	if lasting := chat.AsPermanent(o.judge(err)); lasting != nil {
		o.Logger.Warn("the control queue isn't bound: gateways need the right to write to amq.default meanwhile", "error", err, "do", lasting.Do)
	}
	ctx, cancel := context.WithCancel(ctx)
	var w sync.WaitGroup
	w.Go(func() {
		for err != nil && !conn.IsClosed() {
			if sleep(ctx, bindEvery); ctx.Err() != nil {
				return
			}
			if err = o.bindControl(conn); err == nil {
				o.Logger.Info("the control queue is bound")
			}
		}
	})
	return func() {
		cancel()
		w.Wait()
	}
}
