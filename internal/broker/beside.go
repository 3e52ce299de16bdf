package broker

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
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

// oldEvery is how often the queue of release 0.1.0 is looked for while it can't be consumed.
const oldEvery = 5 * time.Second

// alsoOld consumes the queue to which gateways of release 0.1.0 send heartbeats, beside that of this release, until end is called. It is
// a classic queue: while its node is down that fails or isn't answered, and nothing else waits for it.
func (s *subscription) alsoOld(ctx context.Context, conn *amqp.Connection) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var w sync.WaitGroup
	w.Go(func() {
		for ctx.Err() == nil && !conn.IsClosed() {
			if err := s.consumeOld(ctx, conn); err != nil && ctx.Err() == nil {
				s.o.Logger.Debug("the control queue of release 0.1.0 is not consumed", "error", err, "retry_in", oldEvery)
			}
			sleep(ctx, oldEvery)
		}
	})
	return func() {
		cancel()
		hard := time.AfterFunc(closeGrace, s.link.kill) // ends what isn't answered
		w.Wait()
		hard.Stop()
	}
}

// consumeOld consumes it until the channel ends.
func (s *subscription) consumeOld(ctx context.Context, conn *amqp.Connection) error {
	queue := s.o.Control().Key
	err := s.o.withTopology(conn, func(t topology) error {
		if err := t.control(); err != nil {
			return err
		}
		return t.ch.QueueUnbind(queue, beatsKey, s.o.name("in"), nil) // builds before this one bound it
	})
	if err != nil {
		return err
	}
	in, err := s.o.openInbound(conn, queue, s.prefetch)
	if err != nil {
		return err
	}
	closeInbound := sync.OnceFunc(func() { in.close(s.link.kill) })
	defer context.AfterFunc(ctx, closeInbound)()
	s.consume(in)
	closeInbound()
	return errCancelled
}
