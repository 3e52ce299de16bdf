package broker

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// errCancelled: the queue was deleted, or the broker has cancelled the consumer.
var errCancelled = errors.New("broker: consumer cancelled")

// errHandler: a handler panicked; the panic itself is in the log.
var errHandler = errors.New("broker: handler failed")

// subscription consumes one queue over its own connection, for ever.
type subscription struct {
	o        Options
	queue    string
	prefetch int
	declare  func(t topology) error
	handle   func(body []byte)
	onUp     func(first bool)
	onDown   func(error)
	begun    func(t topology) error // optional; what is declared once it consumes
	left     func(t topology) error // optional; what Close does when it has stopped consuming
	old      bool                   // the control queue of release 0.1.0, too
	link     *link
	again    bool // was up before; used by the link's goroutine only
}

func (s *subscription) start(purpose string) {
	s.link = &link{o: s.o, purpose: purpose, serve: s.serve}
	s.link.start()
}

// serve consumes over one connection. When the consumer is cancelled the connection is given up, too: it
// carries nothing else, and the link's backoff then bounds the retries.
func (s *subscription) serve(ctx context.Context, conn *amqp.Connection, ready func()) error {
	if err := s.o.withShared(conn, topology.shared); err != nil {
		return err
	}
	if err := s.o.withTopology(conn, s.declare); err != nil {
		return err
	}
	in, err := s.o.openInbound(conn, s.queue, s.prefetch)
	if err != nil {
		return err
	}
	closeInbound := sync.OnceFunc(func() { in.close(s.link.kill) })
	stop := context.AfterFunc(ctx, closeInbound)
	if s.begun != nil {
		if err := s.o.withTopology(conn, s.begun); err != nil {
			stop()
			closeInbound()
			return err
		}
	}
	if s.old {
		defer s.alsoOld(ctx, conn)()
	}
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
	closeInbound() // or waits for the one under way
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

// leave does what is due to those that go on. If that fails, the queue's expiry does it later.
func (s *subscription) leave(conn *amqp.Connection) {
	if s.left == nil {
		return
	}
	patience := time.AfterFunc(closeGrace, s.link.kill)
	defer patience.Stop()
	if err := s.o.withTopology(conn, s.left); err != nil {
		s.o.Logger.Info("the queue is left as it is, it will expire", "queue", s.queue, "error", err)
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

// GatewayHandler receives what one gateway's queue delivers. All methods are called from one goroutine.
// A panic ends the connection, so that everything unacknowledged is delivered again.
type GatewayHandler interface {
	// Up: the queue is consumed; first is false after an outage, during which deliveries may have been lost.
	Up(first bool)
	// Down: the connection is lost; Up follows when it is back.
	Down(err error)
	// Deliver receives one body, in the queue's order. The broker holds it until Deliver returns.
	Deliver(body []byte)
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
		handle:  h.Deliver, onUp: h.Up, onDown: h.Down,
		// No consumer will return to it: until it expires, the broker would copy every message of the out exchange into it.
		left: func(t topology) error {
			_, err := t.ch.QueueDelete(name, false, false, false)
			return err
		},
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

// Close ends consuming, waits for the handler within ctx and deletes the queue. Without a connection the queue expires by
// itself, a minute after its last consumer.
func (c *GatewayConsumer) Close(ctx context.Context) error { return c.s.link.close(ctx) }

// ControlConsumer is one of the competing consumers of the gateways' heartbeats: each is delivered to one of them. Those of gateways of
// release 0.1.0, which come through a queue of their own, too.
type ControlConsumer struct {
	s    subscription
	once sync.Once // a warning
}

// controlPrefetch is one, so that a stalled worker holds one heartbeat and not all of a gateway's: with two gateways and two
// workers the broker hands heartbeats out in turns.
const controlPrefetch = 1

// NewControlConsumer consumes them in the background and for ever. handle is called
// from one goroutine; the broker holds a body until it returns. It fails only for invalid options.
func NewControlConsumer(o Options, handle func(body []byte)) (*ControlConsumer, error) {
	o, err := o.ready()
	if err != nil {
		return nil, err
	}
	var one sync.Mutex // of the two queues
	c := &ControlConsumer{s: subscription{
		o: o, queue: o.beatsQueue(), prefetch: controlPrefetch, declare: topology.beats, begun: topology.bindBeats,
		left: topology.unbindBeats, old: true,
		handle: func(body []byte) {
			one.Lock()
			defer one.Unlock()
			handle(body)
		},
	}}
	c.s.start("control")
	return c, nil
}

// Ready returns nil while the queue is consumed, else an ErrUnavailable with the reason; but nil where the user's rights, of an earlier
// release, lack the queue: a worker works without heartbeats, and what is missing is logged.
func (c *ControlConsumer) Ready() error {
	err := c.s.link.Ready()
	if e := (*amqp.Error)(nil); errors.As(err, &e) && e.Code == amqp.AccessRefused && strings.Contains(e.Reason, "access to") { // not the login
		c.once.Do(func() { c.s.o.Logger.Warn("heartbeats of gateways aren't received: presence suffers", "error", err) })
		return nil
	}
	return err
}

// State returns the condition of the connection.
func (c *ControlConsumer) State() State { return c.s.link.State() }

// Close ends consuming and waits for the handler within ctx.
func (c *ControlConsumer) Close(ctx context.Context) error { return c.s.link.close(ctx) }
