package main

import (
	"time"

	"chat-service/internal/auth"
	"chat-service/internal/broker"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway"
)

// tokens shows the verifier as the gateway's port names it.
type tokens struct{ v *auth.Verifier }

// Verify judges an access token.
func (t tokens) Verify(token string) (gateway.Claims, error) {
	c, err := t.v.Verify(token)
	return gateway.Claims{User: c.UserID, Session: c.SessionID, ExpiresAt: c.ExpiresAt}, err
}

// batchDelay is the pace of what tells of sockets that come and go; the first after a pause doesn't wait.
const batchDelay = 16 * time.Millisecond

// bus publishes commands: batched by partition, heartbeats alone.
type bus struct {
	pub     *broker.Publisher
	o       broker.Options
	in      []*broker.Batcher
	batched []*broker.Batcher
}

func newBus(pub *broker.Publisher, o broker.Options) *bus {
	b := &bus{pub: pub, o: o}
	// Less than messages may have: both together leave room in the window for other partitions.
	crowd := broker.BatchOptions{Delay: batchDelay, Records: 128, Pending: o.WithDefaults().WindowRecords / 4}
	for p := range o.Partitions {
		b.in = append(b.in, broker.NewBatcher(pub, o.In(p), envelope.Frame, broker.BatchOptions{}))
		b.batched = append(b.batched, broker.NewBatcher(pub, o.In(p), envelope.Frame, crowd))
	}
	return b
}

// Publish adds a record to its partition's batch.
func (b *bus) Publish(partition int, record []byte, done func(error)) error {
	return b.in[partition].Add(record, done)
}

// PublishBatched adds a record to a batch of its partition that waits longer.
func (b *bus) PublishBatched(partition int, record []byte, done func(error)) error {
	return b.batched[partition].Add(record, done)
}

// Beat sends a heartbeat.
func (b *bus) Beat(record []byte) error {
	return b.pub.Publish(b.o.Control(), envelope.Frame(nil, [][]byte{record}), func(error) {})
}

// Ready tells whether the publisher is connected.
func (b *bus) Ready() error { return b.pub.Ready() }

// inbound hands deliveries to the gateway.
type inbound struct{ g *gateway.Gateway }

// Up tells that deliveries flow.
func (i inbound) Up(bool) { i.g.BusUp() }

// Down tells that they don't.
func (i inbound) Down(err error) { i.g.BusDown(err) }

// Handle applies one batch. It is done with then: what it lost, the hub asks for again.
func (i inbound) Handle(d *broker.Delivery) {
	i.g.Deliver(d.Body)
	_ = d.Ack() // it reports nothing
}
