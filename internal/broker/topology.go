package broker

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	deliveryLimit  = 100     // deliveries to crashing workers before a message is dead-lettered
	deadLength     = 100_000 // messages kept for inspection; the oldest are dropped first
	beatsTTL       = 2_000   // ms; an old heartbeat must not renew a dead gateway's lease
	beatsExpires   = 60_000  // ms without a worker of this release until gateways get their heartbeats back, see Commands.Beat
	gatewayExpires = 60_000  // ms without a consumer until the queue of a gateway that ended is deleted
	gatewayTTL     = 30_000  // ms; by then the gateway has repaired the gap
	gatewayLength  = 20_000  // messages; the oldest are dropped, and the hub detects and repairs the gap
)

// topology declares exchanges and queues on a channel of its own, because a refused declaration closes the channel.
type topology struct {
	o     Options
	ch    *amqp.Channel
	looks bool // whether they exist, and declares nothing

	noWait bool // the broker answers nothing but a refusal
}

// withTopology runs fn on a short-lived channel.
func (o Options) withTopology(conn *amqp.Connection, fn func(t topology) error) error {
	return o.onChannel(conn, false, fn)
}

func (o Options) onChannel(conn *amqp.Connection, looks bool, fn func(t topology) error) error {
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer func() { _ = ch.Close() }()
	return fn(topology{o: o, ch: ch, looks: looks})
}

// pipelined runs fn, whose declarations and bindings it has the broker not answer one by one: for a queue whose leader has just been
// lost each answer takes long. Then it waits until all are done.
func (t topology) pipelined(fn func(t topology) error) error {
	refusals := t.ch.NotifyClose(make(chan *amqp.Error, 1))
	t.noWait = true
	err := fn(t)
	if err == nil {
		err = t.ch.Qos(1, 0, false) // the channel does one thing after the other
	}
	if err == nil {
		return nil
	}
	if t.ch.IsClosed() { // whichever call met the closed channel, this is why
		if refused := <-refusals; refused != nil {
			return fmt.Errorf("declare queues: %w", refused)
		}
	}
	return err
}

// errUndeclared: it is made by a worker's start, so waiting mends it.
var errUndeclared = errors.New("the exchanges and queues don't exist yet, and this user may not make them: start a worker, which does")

// withShared runs fn, which declares what the workers own, as Options.Looks says. Looking needs no rights, declaring does. But RabbitMQ
// 4.2.6 and 4.3.0 let only those look who may declare, and later ones only those who have some right: what a gateway has none on is taken
// to be there then. If it isn't, messages are refused.
func (o Options) withShared(conn *amqp.Connection, fn func(t topology) error) error {
	if !o.Looks {
		return o.withTopology(conn, fn)
	}
	var refused *amqp.Error
	err := o.onChannel(conn, true, fn)
	if errors.As(err, &refused) && refused.Code == amqp.AccessRefused {
		return nil
	}
	if !errors.As(err, &refused) || refused.Code != amqp.NotFound || strings.Contains(refused.Reason, "inaccessible") {
		return err
	}
	if err = o.withTopology(conn, fn); errors.As(err, &refused) && refused.Code == amqp.AccessRefused {
		err = errUndeclared
	}
	return err
}

// shared declares what all processes use: the exchanges and the dead-letter queue.
func (t topology) shared() error {
	kinds := []struct{ name, kind string }{{"in", amqp.ExchangeDirect}, {"out", amqp.ExchangeFanout}, {"dead", amqp.ExchangeFanout}}
	for _, k := range kinds {
		declare := t.ch.ExchangeDeclare
		if t.looks {
			declare = t.ch.ExchangeDeclarePassive
		}
		if err := declare(t.o.name(k.name), k.kind, true, false, false, false, nil); err != nil {
			return fmt.Errorf("declare exchange %s: %w", t.o.name(k.name), err)
		}
	}
	dead := t.o.name("dead")
	if err := t.queue(dead, amqp.Table{"x-queue-type": t.o.QueueType, "x-max-length": deadLength}); err != nil {
		return err
	}
	return t.bind(dead, "", dead)
}

// inbound declares what all processes use, and the queues of all partitions.
func (t topology) inbound() error {
	if err := t.shared(); err != nil {
		return err
	}
	return t.pipelined(func(t topology) error {
		for i := range t.o.Partitions {
			if err := t.in(i); err != nil {
				return err
			}
		}
		return nil
	})
}

// beats declares the queue of heartbeats, of the inbound queues' type so that it outlives a node as they do.
func (t topology) beats() error {
	return t.queue(t.o.beatsQueue(), amqp.Table{"x-queue-type": t.o.QueueType, "x-message-ttl": beatsTTL, "x-expires": beatsExpires})
}

// bindBeats has heartbeats come to their queue, for workers that consume it.
func (t topology) bindBeats() error { return t.bind(t.o.beatsQueue(), beatsKey, t.o.name("in")) }

// unbindBeats is for the last worker of this release that stops: workers of release 0.1.0, which may go on, consume another queue.
// Gateways send their heartbeats there when these come back. A worker that has begun to consume meanwhile gets its binding back.
func (t topology) unbindBeats() error {
	others := func() (bool, error) {
		q, err := t.ch.QueueDeclarePassive(t.o.beatsQueue(), true, false, false, false, nil)
		return q.Consumers > 0, err
	}
	if remain, err := others(); err != nil || remain {
		return err
	}
	if err := t.ch.QueueUnbind(t.o.beatsQueue(), beatsKey, t.o.name("in"), nil); err != nil {
		return err
	}
	if came, err := others(); err != nil || !came {
		return err
	}
	return t.bindBeats()
}

// control declares the queue of heartbeats of release 0.1.0, as that does.
func (t topology) control() error {
	return t.queue(t.o.Control().Key, amqp.Table{"x-queue-type": Classic, "x-message-ttl": beatsTTL})
}

// in declares one partition's queue. Classic queues refuse a delivery limit.
func (t topology) in(p int) error {
	args := amqp.Table{
		"x-queue-type":             t.o.QueueType,
		"x-single-active-consumer": true,
		"x-dead-letter-exchange":   t.o.name("dead"),
	}
	if t.o.QueueType == Quorum {
		args["x-delivery-limit"] = deliveryLimit
	}
	name := t.o.InQueue(p)
	if err := t.queue(name, args); err != nil {
		return err
	}
	return t.bind(name, strconv.Itoa(p), t.o.name("in"))
}

// gateway declares one gateway's queue. With several nodes it is a quorum queue, which goes on when one of them is lost. With one it is
// classic: its deliveries are transient, and need no disk.
func (t topology) gateway(name string) error {
	kind := Classic
	if t.o.clustered() {
		kind = t.o.QueueType
	}
	args := amqp.Table{
		"x-queue-type":  kind,
		"x-expires":     gatewayExpires,
		"x-message-ttl": gatewayTTL,
		"x-max-length":  gatewayLength,
	}
	if err := t.queue(name, args); err != nil {
		return err
	}
	return t.bind(name, "", t.o.name("out"))
}

func (t topology) queue(name string, args amqp.Table) error {
	declare := t.ch.QueueDeclare
	if t.looks {
		declare = t.ch.QueueDeclarePassive
	}
	if _, err := declare(name, true, false, false, t.noWait, args); err != nil {
		return fmt.Errorf("declare queue %s: %w", name, err)
	}
	return nil
}

func (t topology) bind(queue, key, exchange string) error {
	if t.looks {
		return nil
	}
	if err := t.ch.QueueBind(queue, key, exchange, t.noWait, nil); err != nil {
		return fmt.Errorf("bind queue %s: %w", queue, err)
	}
	return nil
}
