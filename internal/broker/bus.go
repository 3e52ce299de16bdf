package broker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// Commands is the gateways' bus: records for partitions, several of a partition in one message. Publish stands in carry.go.
type Commands struct {
	p            *Publisher
	in, together []*Batcher   // by partition
	lost         atomic.Int32 // heartbeats in a row
}

const (
	togetherDelay   = 16 * time.Millisecond
	togetherRecords = 128
)

// NewCommands makes the bus of a gateway over p.
func NewCommands(p *Publisher) *Commands {
	c := &Commands{p: p}
	// A smaller share of the window than messages have: both together leave room in it for other partitions.
	crowd := BatchOptions{Delay: togetherDelay, Records: togetherRecords, Pending: p.o.WindowRecords / 4}
	for i := range p.o.Partitions {
		c.in = append(c.in, NewBatcher(p, p.o.In(i), envelope.Frame, BatchOptions{}))
		c.together = append(c.together, NewBatcher(p, p.o.In(i), envelope.Frame, crowd))
	}
	return c
}

// PublishBatched adds a record to a batch of its partition that may wait 16 ms for more, for what many clients do at once. Records
// keep the order of the calls among themselves, not with those of Publish.
func (c *Commands) PublishBatched(partition int, record []byte, done func(error)) error {
	return c.together[partition].Add(record, done)
}

// Beat sends a heartbeat to the control queue, without waiting for its confirm. Where no worker has bound the queue, because all are of
// release 0.1.0, it goes to the queue directly.
func (c *Commands) Beat(record []byte) error {
	body := envelope.Frame(nil, [][]byte{record})
	return c.p.Publish(c.p.o.Beats(), body, func(err error) {
		if errors.Is(err, ErrUnroutable) {
			c.p.beside(c.p.o.Control(), body, c.reached)
		} else if err == nil {
			c.reached(nil)
		}
	})
}

// lostBeats is after how many heartbeats in a row that reached no worker that is worth a warning: then the gateway's lease has ended.
const lostBeats = 3

// reached takes the outcome of a heartbeat.
func (c *Commands) reached(err error) {
	if err == nil {
		c.lost.Store(0)
	} else if c.lost.Add(1) == lostBeats {
		c.p.o.Logger.Warn("heartbeats reach no worker: the users of this gateway count as offline", "error", err,
			"do", "start a worker of this gateway's release, with the rights that chatctl grants gives it; "+
				"beside workers of an earlier release gateways need the right to write to amq.default")
	}
}

// Ready returns nil while messages flow, else an ErrUnavailable with the reason.
func (c *Commands) Ready() error { return c.p.Ready() }

// Deliveries is the workers' bus: batches for one gateway or for all of them. ToGateway stands in carry.go. done is called
// once: with nil when the broker has confirmed the batch, a NotFound kind when the gateway's queue doesn't exist,
// context.Canceled when the publisher was closed before, ErrUnavailable when the broker refused it repeatedly. An error from the
// call itself means that nothing was taken: the caller may try again, unless it is context.Canceled.
type Deliveries struct {
	p       *Publisher
	gateway Target // its key lacks the gateway's id
	all     Target
}

// NewDeliveries makes the bus of a worker over p.
func NewDeliveries(p *Publisher) *Deliveries {
	return &Deliveries{p: p, gateway: p.o.Gateway(p.o.gatewayQueues()), all: p.o.Out()}
}

// ToAll publishes a batch for every gateway. That none runs is no error.
func (d *Deliveries) ToAll(batch []byte, done func(error)) error {
	return ended(d.p.Publish(d.all, batch, func(err error) {
		if errors.Is(err, ErrUnroutable) {
			err = nil
		}
		done(ended(err))
	}))
}

// untaken is the error for a batch that gateway g didn't get, as Deliveries promises.
func untaken(g chat.GatewayID, err error) error {
	if errors.Is(err, ErrUnroutable) {
		return chat.E(chat.NotFound, "gateway %s has no queue", g)
	}
	return ended(err)
}

// ended makes ErrClosed a context.Canceled, too.
func ended(err error) error {
	if errors.Is(err, ErrClosed) {
		return fmt.Errorf("%w: %w", context.Canceled, err)
	}
	return err
}
