package main

import (
	"time"

	"chat-service/internal/auth"
	"chat-service/internal/broker"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway"
)

// tokens is the gateway's Verifier.
type tokens struct{ v *auth.Verifier }

// Verify checks an access token.
func (t tokens) Verify(token string) (gateway.Claims, error) {
	c, err := t.v.Verify(token)
	return gateway.Claims{User: c.UserID, Session: c.SessionID, ExpiresAt: c.ExpiresAt}, err
}

// batchDelay is how long a command about the life of a socket may wait for others; the first after a pause doesn't wait.
const batchDelay = 16 * time.Millisecond

// bus is the gateway's Bus: it batches commands by partition, and sends each heartbeat alone.
type bus struct {
	pub     *broker.Publisher
	o       broker.Options
	in      []*broker.Batcher
	batched []*broker.Batcher
}

func newBus(pub *broker.Publisher, o broker.Options) *bus {
	b := &bus{pub: pub, o: o}
	// A smaller part of the publisher's window than messages may have: both together leave room for other partitions.
	together := broker.BatchOptions{Delay: batchDelay, Records: 128, Pending: o.WithDefaults().WindowRecords / 4}
	for p := range o.Partitions {
		b.in = append(b.in, broker.NewBatcher(pub, o.In(p), envelope.Frame, broker.BatchOptions{}))
		b.batched = append(b.batched, broker.NewBatcher(pub, o.In(p), envelope.Frame, together))
	}
	return b
}

// Publish adds a record to its partition's batch.
func (b *bus) Publish(partition int, record []byte, done func(error)) error {
	return b.in[partition].Add(record, done)
}

// PublishBatched adds a record to a batch that waits longer for others.
func (b *bus) PublishBatched(partition int, record []byte, done func(error)) error {
	return b.batched[partition].Add(record, done)
}

// Beat sends a heartbeat to the control queue.
func (b *bus) Beat(record []byte) error {
	return b.pub.Publish(b.o.Control(), envelope.Frame(nil, [][]byte{record}), func(error) {})
}

// Ready returns nil while the publisher is connected.
func (b *bus) Ready() error { return b.pub.Ready() }

// inbound passes what the consumer reports on to the gateway.
type inbound struct{ g *gateway.Gateway }

// Up reports that deliveries arrive.
func (i inbound) Up(bool) { i.g.BusUp() }

// Down reports that they don't, and why.
func (i inbound) Down(err error) { i.g.BusDown(err) }

// Handle applies one batch and acknowledges it at once: the hub has what it misses repaired.
func (i inbound) Handle(d *broker.Delivery) {
	i.g.Deliver(d.Body)
	_ = d.Ack() // it reports nothing
}
