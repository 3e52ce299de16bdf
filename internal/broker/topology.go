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
	controlTTL     = 2_000   // ms; an old heartbeat must not renew a dead gateway's lease
	gatewayExpires = 60_000  // ms without a consumer until the queue of a gateway that ended is deleted
	gatewayTTL     = 30_000  // ms; by then the gateway has repaired the gap
	gatewayLength  = 20_000  // messages; the oldest are dropped, and the hub detects and repairs the gap
)

// topology declares exchanges and queues on a channel of its own, because a refused declaration closes the channel.
type topology struct {
	o     Options
	ch    *amqp.Channel
	looks bool // whether they exist, and declares nothing
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

// errUndeclared: it is made by a worker's start, so waiting mends it.
var errUndeclared = errors.New("the exchanges and queues don't exist yet, and this user may not make them: start a worker, which does")

// withShared runs fn, which declares what the workers own, as Options.Looks says. Looking needs no rights, declaring does.
func (o Options) withShared(conn *amqp.Connection, fn func(t topology) error) error {
	if !o.Looks {
		return o.withTopology(conn, fn)
	}
	var refused *amqp.Error
	err := o.onChannel(conn, true, fn)
	if !errors.As(err, &refused) || refused.Code != amqp.NotFound || strings.Contains(refused.Reason, "inaccessible") {
		return err
	}
	err = o.withTopology(conn, fn)
	if errors.As(err, &refused) && refused.Code == amqp.AccessRefused {
		return errUndeclared
	}
	return err
}

// shared declares what all processes use: the exchanges, the dead-letter queue and the control queue.
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
	if err := t.bind(dead, "", dead); err != nil {
		return err
	}
	return t.control()
}

func (t topology) control() error {
	return t.queue(t.o.name("control"), amqp.Table{"x-queue-type": Classic, "x-message-ttl": controlTTL})
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
	name := t.o.inQueue(p)
	if err := t.queue(name, args); err != nil {
		return err
	}
	return t.bind(name, strconv.Itoa(p), t.o.name("in"))
}

func (t topology) gateway(name string) error {
	args := amqp.Table{
		"x-queue-type":  Classic,
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
	if _, err := declare(name, true, false, false, false, args); err != nil {
		return fmt.Errorf("declare queue %s: %w", name, err)
	}
	return nil
}

func (t topology) bind(queue, key, exchange string) error {
	if t.looks {
		return nil
	}
	if err := t.ch.QueueBind(queue, key, exchange, false, nil); err != nil {
		return fmt.Errorf("bind queue %s: %w", queue, err)
	}
	return nil
}
