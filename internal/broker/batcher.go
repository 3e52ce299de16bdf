package broker

import "cmp"

// Batcher packs records for one target into AMQP messages. A batch is flushed when it is full, and otherwise as
// BatchOptions.Delay says: no delay at a low rate, few messages at a high one. Methods may be called from any goroutine;
// records keep the order of the calls. A batcher has no goroutine and needs no closing.
type Batcher struct {
	p      *Publisher
	target Target
	frame  func(dst []byte, records [][]byte) []byte
	o      BatchOptions

	among   *growth
	growing *entry // the batch that takes records; guarded by p.mu, as all below
	pending int
}

// NewBatcher makes a batcher over p. frame appends the records, joined into one body, to dst and
// returns it; it is called from the publisher's goroutine and keeps neither.
func NewBatcher(p *Publisher, t Target, frame func(dst []byte, records [][]byte) []byte, o BatchOptions) *Batcher {
	o.Records = max(cmp.Or(o.Records, 64), 1)
	o.Bytes = max(cmp.Or(o.Bytes, 32<<10), 1)
	o.Pending = max(cmp.Or(o.Pending, p.o.WindowRecords/2), 1)
	return &Batcher{p: p, target: t, frame: frame, o: o, among: p.growth(o.Delay)}
}
