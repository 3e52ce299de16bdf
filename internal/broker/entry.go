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
	framed bool
	dones  []func(error)

	records, bytes int       // share of the publishing window
	since          time.Time // when the first record came

	id      string
	confirm confirm
	repeat  bool      // was sent before
	nacks   int       // refusals by the broker
	strikes int       // channels that died while this was the only message in flight
	due     time.Time // not before, after a refusal
}

var entries = sync.Pool{New: func() any { return new(entry) }}

const keepArena = 128 << 10 // larger buffers go to the collector

// recycle returns the entry to the pool; no reference to it may be left.
func (e *entry) recycle() {
	arena, body, ends, dones := e.arena[:0], e.body[:0], e.ends[:0], e.dones
	clear(dones)
	if e.owner == nil {
		body = nil // the caller's
	}
	if cap(arena) > keepArena || cap(body) > keepArena {
		arena, body = nil, nil
	}
	*e = entry{arena: arena, body: body, ends: ends, dones: dones[:0]}
	entries.Put(e)
}

// frame makes the body of a batch; records is scratch space and returned for the next time.
func (e *entry) frame(records [][]byte) [][]byte {
	if e.owner == nil || e.framed {
		return records
	}
	records = records[:0]
	from := 0
	for _, to := range e.ends {
		records = append(records, e.arena[from:to:to])
		from = to
	}
	e.body = e.owner.frame(e.body[:0], records)
	e.framed = true
	clear(records)
	return records
}

// list is a doubly linked list through the entries themselves, so that a batch leaves the middle of
// it without a search.
type list struct {
	head, tail *entry
	n          int
}

func (l *list) pushBack(e *entry) {
	e.in, e.prev, e.next = l, l.tail, nil
	if l.tail == nil {
		l.head = e
	} else {
		l.tail.next = e
	}
	l.tail = e
	l.n++
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

// remove takes e out of the list it is in.
func (e *entry) remove() {
	l := e.in
	if e.prev == nil {
		l.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.in, e.prev, e.next = nil, nil, nil
	l.n--
}
