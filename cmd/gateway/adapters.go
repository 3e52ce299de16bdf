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

// togetherDelay is the pace of what tells of sockets that come and go; the first after a pause doesn't wait.
const togetherDelay = 16 * time.Millisecond

// bus publishes commands: batched by partition, heartbeats alone.
type bus struct {
	pub      *broker.Publisher
	o        broker.Options
	in       []*broker.Batcher
	together []*broker.Batcher
}

func newBus(pub *broker.Publisher, o broker.Options) *bus {
	b := &bus{pub: pub, o: o}
	// Less than messages may have: both together leave room in the window for other partitions.
	crowd := broker.BatchOptions{Delay: togetherDelay, Records: 128, Pending: o.WithDefaults().WindowRecords / 4}
	for p := range o.Partitions {
		b.in = append(b.in, broker.NewBatcher(pub, o.In(p), envelope.Frame, broker.BatchOptions{}))
		b.together = append(b.together, broker.NewBatcher(pub, o.In(p), envelope.Frame, crowd))
	}
	return b
}

// Publish adds a record to its partition's batch.
func (b *bus) Publish(partition int, record []byte, done func(error)) error {
	return b.in[partition].Add(record, done)
}

// Together adds a record to a batch of its partition that waits longer.
func (b *bus) Together(partition int, record []byte, done func(error)) error {
	return b.together[partition].Add(record, done)
}

// Beat sends a heartbeat.
func (b *bus) Beat(record []byte) error {
	return b.pub.Publish(b.o.Control(), envelope.Frame(nil, [][]byte{record}), func(error) {})
}

// Ready tells whether the publisher is connected.
func (b *bus) Ready() error { return b.pub.Ready() }

// inbound hands deliveries to the gateway, and reports when they stop and when they flow again.
type inbound struct{ *gateway.Gateway }

// Up is called when deliveries flow.
func (i inbound) Up(bool) { i.BusUp() }

// Down is called when they don't.
func (i inbound) Down(err error) { i.BusDown(err) }
