package broker

import (
	"sync"
	"time"
)

// entry is one AMQP message in flight: open while a batcher may add to it, then ready, then sent
// until the broker confirms it. It is in at most one list.
type entry struct {
	prev, next *entry
	in         *list

	target Target
	owner  *Batcher // nil for a body that was published by itself
	arena  []byte   // the batcher's records, back to back
	ends   []int    // where each record ends in arena
	body   []byte   // what goes on the wire
	dones  []func(error)

	records, bytes int // share of the publishing window

	id      string // given when it is first sent
	confirm confirm
	nacks   int       // refusals by the broker
	first   bool      // of its target on the channel: the others are held until it is confirmed
	err     error     // how it ended; nil: acknowledged
	strikes int       // channels that died while this was the only message in flight
	due     time.Time // not before, after a refusal
}

var entries = sync.Pool{New: func() any { return new(entry) }}

const keepArena = 128 << 10 // larger buffers go to the collector

// list is a doubly linked list through the entries themselves, so that a batch leaves the middle of
// it without a search.
type list struct {
	head, tail *entry
	n          int
}

func (l *list) pushFront(e *entry) {
	e.in, e.prev, e.next = l, nil, l.head
	if l.head == nil {
		l.tail = e
	} else {
		l.head.prev = e
	}
	l.head = e
	l.n++
}
