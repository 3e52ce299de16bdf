package broker

import (
	"fmt"
	"time"
)

// BatchOptions bound the batches of one target; the zero value of a field means its default.
type BatchOptions struct {
	// Records closes a batch; default 64.
	Records int
	// Bytes closes a batch, before a record that would not fit; default 32 KiB. A larger record goes alone.
	Bytes int
	// Delay is the shortest time between flushes of unfilled batches; after a longer pause a record is sent at once. Default: a
	// batch is flushed as soon as nothing is unconfirmed, else every Options.BatchDelay.
	Delay time.Duration
	// Pending bounds the records accepted and not yet done for this target, so that one queue that gives
	// confirms nothing can't take the whole window; default half of Options.WindowRecords.
	Pending int
}

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
	o.Records = max(or(o.Records, 64), 1)
	o.Bytes = max(or(o.Bytes, 32<<10), 1)
	o.Pending = max(or(o.Pending, p.o.WindowRecords/2), 1)
	return &Batcher{p: p, target: t, frame: frame, o: o, among: p.growth(o.Delay)}
}

// Add copies the record into the batch. Errors and done are those of Publisher.Publish.
func (b *Batcher) Add(record []byte, done func(error)) error {
	p := b.p
	p.mu.Lock()
	wake, err := b.add(record, done)
	p.mu.Unlock()
	if wake {
		poke(p.wake)
	}
	return err
}

// add reports whether the publish loop must be woken. The caller holds mu.
func (b *Batcher) add(record []byte, done func(error)) (wake bool, err error) {
	p := b.p
	if b.pending >= b.o.Pending && !p.closing {
		p.m.full.Inc()
		return false, fmt.Errorf("%w: %s%s", ErrFull, b.target.Exchange, b.target.Key)
	}
	if err := p.admit(len(record)); err != nil {
		return false, err
	}
	b.pending++
	e := b.growing
	if e != nil && len(e.arena)+len(record) > b.o.Bytes {
		p.seal(e)
		e, wake = nil, true
	}
	if e == nil {
		e = entries.Get().(*entry)
		e.owner, e.target, e.since = b, b.target, time.Now()
		b.growing, wake = e, true
		b.among.open.pushBack(e)
	}
	e.arena = append(e.arena, record...)
	e.ends = append(e.ends, len(e.arena))
	e.dones = append(e.dones, done)
	e.records++
	e.bytes += len(record)
	if e.records >= b.o.Records || len(e.arena) >= b.o.Bytes {
		p.seal(e)
		wake = true
	}
	return wake, nil
}
