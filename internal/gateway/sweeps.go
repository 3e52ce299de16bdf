package gateway

import (
	"sync"
	"sync/atomic"

	"chat-service/internal/envelope"
	"chat-service/internal/gateway/hub"
)

const (
	showEvery    = 45_000 / tickMS / shards // ticks between two shards, so that all sockets are shown in 45 s
	showBatch    = 256                      // sessions per Show
	lostBound    = 1 << 16                  // disconnects that wait for the bus
	roundsPerRun = 2                        // shards of a round per tick: all in 3.2 s
)

// rounds are walks over all sockets or all rooms, a shard at a time, so that none of them is a burst.
type rounds struct {
	assert, reattach atomic.Bool // requested; a request during a walk starts another one after it

	asserting, reattaching int // shards left to do, counted down; the ticker's alone
	shown                  int
	buf                    []*socket
}

// turn does a tick's part of the rounds that were requested, and of the rotation that always goes on.
func (r *rounds) turn(g *Gateway, tick int64) {
	if tick%showEvery == 0 {
		r.show(g)
	}
	if r.asserting == 0 && r.assert.Swap(false) {
		r.asserting = shards
	}
	if r.reattaching == 0 && r.reattach.Swap(false) {
		r.reattaching = hub.Shards
	}
	for range roundsPerRun {
		if r.asserting > 0 && r.assertShard(g, r.asserting-1) {
			r.asserting--
		}
		if r.reattaching > 0 && g.hub.Reattach(r.reattaching-1) == nil {
			r.reattaching--
		}
	}
}

// show reports a shard's sessions to the workers, which answer Close for those that were revoked. Any partition will
// do. Each shard takes one: to split a shard by partitions would cost an idle system more than all its pings.
func (r *rounds) show(g *Gateway) {
	r.buf = g.sockets.shard(r.shown, r.buf[:0])
	p := r.shown % g.o.Partitions
	r.shown = (r.shown + 1) % shards
	c := envelope.Command{Kind: envelope.Show}
	for _, s := range r.buf {
		if !s.present() {
			continue
		}
		c.Users, c.Sessions = append(c.Users, s.user), append(c.Sessions, s.session)
		if other := s.renewedBy(); other != "" {
			c.Users, c.Sessions = append(c.Users, s.user), append(c.Sessions, other)
		}
		if len(c.Sessions) >= showBatch {
			_ = g.publish(p, &c, nil) // the next round shows it again
			c.Users, c.Sessions = c.Users[:0], c.Sessions[:0]
		}
	}
	if len(c.Sessions) > 0 {
		_ = g.publish(p, &c, nil) // the next round shows it again
	}
	clear(r.buf)
}

// assertShard reports a shard's sockets to the workers again; false if the bus refuses, and the shard must be tried
// again.
func (r *rounds) assertShard(g *Gateway, shard int) bool {
	r.buf = g.sockets.shard(shard, r.buf[:0])
	defer func() { clear(r.buf) }()
	for _, s := range r.buf {
		if !s.present() {
			continue
		}
		c := envelope.Command{Kind: envelope.Assert, Socket: s.id, User: s.user, Session: s.session, Device: s.device}
		if g.publishLifecycle(&c, nil) != nil {
			return false
		}
	}
	return true
}

// disconnects publishes Disconnect for ended sockets, and again if the bus refused or lost it: a socket that stays
// registered would show its user online for as long as the gateway lives. Beyond lostBound the oldest are given up.
type disconnects struct {
	g     *Gateway
	mu    sync.Mutex
	again []envelope.Command
	on    atomic.Int64 // published and not confirmed
}

// add publishes a Disconnect and keeps it if the bus refuses or loses it.
func (ds *disconnects) add(c envelope.Command) {
	ds.on.Add(1)
	err := ds.g.publishLifecycle(&c, func(err error) {
		if err != nil {
			ds.keep(c)
		}
		ds.on.Add(-1)
	})
	if err != nil {
		ds.keep(c)
		ds.on.Add(-1)
	}
}

// keep puts a Disconnect aside for the next flush.
func (ds *disconnects) keep(c envelope.Command) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if len(ds.again) >= lostBound {
		ds.again = ds.again[1:]
		ds.g.m.LostDisconnects.Inc()
	}
	ds.again = append(ds.again, c)
}

// flush publishes again what was refused or lost, while the bus can be reached.
func (ds *disconnects) flush() {
	if ds.g.o.Bus.Ready() != nil {
		return
	}
	ds.mu.Lock()
	l := ds.again
	ds.again = nil
	ds.mu.Unlock()
	for _, c := range l {
		ds.add(c)
	}
}

// left returns how many aren't confirmed yet.
func (ds *disconnects) left() int {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return len(ds.again) + int(ds.on.Load())
}
