package broker

import (
	"context"
	"errors"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// errCancelled tells that the queue has gone or that the broker has taken the consumer off it.
var errCancelled = errors.New("broker: consumer cancelled")

// errHandler tells that a handler panicked; the panic itself is in the log.
var errHandler = errors.New("broker: handler failed")

// subscription consumes one queue over its own connection, for ever.
type subscription struct {
	o        Options
	queue    string
	prefetch int
	declare  func(t topology) error
	handle   func(*Delivery)
	onUp     func(first bool)
	onDown   func(error)
	drop     bool // the queue goes with Close
	link     *link
	again    bool // was up before; used by the link's goroutine only
}

func (s *subscription) start(purpose string) {
	s.link = &link{o: s.o, purpose: purpose, session: s.serve}
	s.link.start()
}

// serve is the link's session. When the consumer is cancelled the connection is given up too: it
// carries nothing else, and the link's backoff is all that is needed.
func (s *subscription) serve(ctx context.Context, conn *amqp.Connection, ready func()) error {
	err := s.o.withTopology(conn, func(t topology) error { return errors.Join(t.shared(), s.declare(t)) })
	if err != nil {
		return err
	}
	in, err := openIntake(conn, s.queue, s.prefetch)
	if err != nil {
		return err
	}
	closeIntake := sync.OnceFunc(func() { in.close(s.link.kill) })
	stop := context.AfterFunc(ctx, closeIntake)
	ready()
	first := !s.again
	s.again = true
	err = guard(func() {
		if s.onUp != nil {
			s.onUp(first)
		}
		s.consume(in)
	})
	stop()
	closeIntake() // or waits for the one under way
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, context.Canceled): // our own Close
		s.leave(conn)
		return cause
	case err != nil:
		s.o.Logger.Error("delivery handler failed", "queue", s.queue, "error", err)
	case cause != nil:
		err = cause
	default:
		err = errCancelled
	}
	s.down(err)
	return err
}

// leave deletes the queue where nobody comes back to it: until it expires, the broker would put a copy into it of all that every
// gateway must hear. Where that fails it expires.
func (s *subscription) leave(conn *amqp.Connection) {
	if !s.drop {
		return
	}
	patience := time.AfterFunc(closeGrace, s.link.kill)
	defer patience.Stop()
	err := s.o.withTopology(conn, func(t topology) error {
		_, err := t.ch.QueueDelete(s.queue, false, false, false)
		return err
	})
	if err != nil {
		s.o.Logger.Info("the queue is left to expire", "queue", s.queue, "error", err)
	}
}

func (s *subscription) consume(in *intake) {
	for m := range in.deliveries {
		if !in.acker.live() {
			return
		}
		s.o.Metrics.count(&m)
		s.handle(newDelivery(&m, in.acker))
	}
}

// down reports a loss with its reason as text.
func (s *subscription) down(err error) {
	if s.onDown == nil {
		return
	}
	reason := errors.Join(ErrUnavailable, errors.New(err.Error()))
	if err := guard(func() { s.onDown(reason) }); err != nil {
		s.o.Logger.Error("down handler failed", "error", err)
	}
}

// GatewayHandler takes what one gateway's queue delivers. All methods are called from one goroutine.
// A panic ends the connection, so that what is unacknowledged comes again.
type GatewayHandler interface {
	// Up tells that the queue is consumed; first is false after an outage, in which deliveries may have been lost.
	Up(first bool)
	// Down tells that the connection is lost; Up follows when it is back.
	Down(err error)
	// Handle takes one delivery, in the queue's order. It acks what it has taken over.
	Handle(d *Delivery)
}

// GatewayConsumer consumes the queue of one gateway boot.
type GatewayConsumer struct{ s subscription }

// gatewayPrefetch bounds what waits in the library; the handler is quick.
const gatewayPrefetch = 200

// NewGatewayConsumer declares, binds and consumes the queue of this boot of the gateway, in the
// background and for ever. It fails only for invalid options.
func NewGatewayConsumer(o Options, gateway, boot string, h GatewayHandler) (*GatewayConsumer, error) {
	o, err := o.ready()
	if err != nil {
		return nil, err
	}
	name := o.GatewayQueue(gateway, boot)
	c := &GatewayConsumer{s: subscription{
		o: o, queue: name, prefetch: gatewayPrefetch,
		declare: func(t topology) error { return t.gateway(name) },
		handle:  h.Handle, onUp: h.Up, onDown: h.Down, drop: true,
	}}
	c.s.start("gateway")
	return c, nil
}

// Queue returns the queue's name, for Options.Gateway.
func (c *GatewayConsumer) Queue() string { return c.s.queue }

// Ready returns nil while the queue is consumed, else an ErrUnavailable with the reason.
func (c *GatewayConsumer) Ready() error { return c.s.link.Ready() }

// State returns the condition of the connection.
func (c *GatewayConsumer) State() State { return c.s.link.State() }

// Close ends consuming, waits for the handler within ctx and deletes the queue. Without a connection the queue is left to
// expire: a minute after its last consumer.
func (c *GatewayConsumer) Close(ctx context.Context) error { return c.s.link.close(ctx) }

// ControlConsumer takes part in consuming the control queue: each message goes to one consumer.
type ControlConsumer struct{ s subscription }

// controlPrefetch is one, so that a worker that stands still holds one heartbeat, and not all of a gateway's: with two of each
// they come by turns.
const controlPrefetch = 1

// NewControlConsumer consumes the control queue in the background and for ever. handle is called
// from one goroutine and acks what it has done. It fails only for invalid options.
func NewControlConsumer(o Options, handle func(d *Delivery)) (*ControlConsumer, error) {
	o, err := o.ready()
	if err != nil {
		return nil, err
	}
	c := &ControlConsumer{s: subscription{
		o: o, queue: o.Control().Key, prefetch: controlPrefetch, declare: topology.control, handle: handle,
	}}
	c.s.start("control")
	return c, nil
}

// Ready returns nil while the queue is consumed, else an ErrUnavailable with the reason.
func (c *ControlConsumer) Ready() error { return c.s.link.Ready() }

// State returns the condition of the connection.
func (c *ControlConsumer) State() State { return c.s.link.State() }

// Close ends consuming and waits for the handler within ctx.
func (c *ControlConsumer) Close(ctx context.Context) error { return c.s.link.close(ctx) }
