package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sync/errgroup"

	"chat-service/internal/ops/bench/latency"
)

// errorPause is how long a sender waits after a refusal.
const errorPause = 100 * time.Millisecond

// crowd is the connections of one run, and the counts that they share.
type crowd struct {
	tag     string
	epoch   time.Time // due times are nanoseconds since
	payload int
	closed  bool // a sender sends its next message when one is answered

	members []*member
	lanes   []*lane // by room index

	counting, stopped atomic.Bool
	sent, answered    atomic.Int64 // over the whole run
	delivered         atomic.Int64
	due, arrived      atomic.Int64 // deliveries that acked messages must have, and those of them that came: what drain waits for
	refused, heads    atomic.Int64
	lost              atomic.Int64
	ackedIn           atomic.Int64 // while counting
	deliveredIn       atomic.Int64
	sentIn            atomic.Int64
	ackLat, dlvLat    latency.Hist
	sendLag           latency.Hist // how late the tool itself sent

	readers sync.WaitGroup
	mu      sync.Mutex
	why     string // reason of the first lost connection, or the first error frame
}

// lane is one sender in one room. Only its connection's reader appends acks.
type lane struct {
	room  uint64
	index int
	by    *member
	peers int64 // other connections whose welcomes listed the room
	n     atomic.Uint32
	acks  []acked
}

// member is one connection with the rooms whose messages it receives.
type member struct {
	sock   *socket
	tracks map[uint64]*Track
}

func newCrowd(tag string, payload int) *crowd {
	return &crowd{tag: tag, epoch: time.Now(), payload: payload}
}

func (c *crowd) now() int64 { return int64(time.Since(c.epoch)) }

func (c *crowd) complain(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == "" {
		c.why = fmt.Sprintf(format, args...)
	}
}

func (c *crowd) complaint() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// dial opens one connection per token, the given number of them at a time, and returns how long each took.
func (c *crowd) dial(ctx context.Context, d *dialer, tokens []string, parallel int) (*latency.Hist, error) {
	var took latency.Hist
	c.members = make([]*member, len(tokens))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, token := range tokens {
		g.Go(func() error {
			t := time.Now()
			s, w, err := d.dial(gctx, token)
			if err != nil {
				return err
			}
			took.Add(time.Since(t))
			m := &member{sock: s, tracks: make(map[uint64]*Track, len(w.Rooms))}
			for _, r := range w.Rooms {
				t := NewTrack(r.ID, r.LastSeq)
				m.tracks[r.ID] = &t
			}
			c.members[i] = m
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		c.close()
		return nil, err
	}
	return &took, nil
}

// listen starts the readers, once the lanes are known.
func (c *crowd) listen() {
	c.countPeers()
	for _, m := range c.members {
		c.readers.Go(func() { c.read(m) })
	}
}

// countPeers finds out how many deliveries a message of each lane must have.
func (c *crowd) countPeers() {
	listeners := map[uint64]int64{} // room → connections
	for _, m := range c.members {
		for room := range m.tracks {
			listeners[room]++
		}
	}
	for _, l := range c.lanes {
		l.peers = max(listeners[l.room]-1, 0)
	}
}

// read is a connection's only goroutine: it audits, measures, and in a closed loop sends the next message.
func (c *crowd) read(m *member) {
	for {
		p, err := m.sock.read()
		if err != nil {
			if !m.sock.closed.Load() {
				c.lost.Add(1)
				c.complain("connection lost: %v", err)
			}
			return
		}
		c.take(m, scanFrame(p), p)
	}
}

func (c *crowd) take(m *member, f frame, raw []byte) {
	switch f.kind {
	case messageFrame, ackFrame:
		first := false // without a track nothing is known about the room
		if t := m.tracks[f.room]; t != nil {
			first = t.See(f.seq)
		}
		room, n, due, ours := readID(f.id, c.tag)
		if !ours {
			return
		}
		late := time.Duration(c.now() - due)
		if f.kind == messageFrame {
			c.delivered.Add(1)
			if first {
				c.arrived.Add(1)
			}
			if c.counting.Load() {
				c.deliveredIn.Add(1)
				c.dlvLat.Add(late)
			}
			return
		}
		l := c.lanes[room]
		l.acks = append(l.acks, acked{n, f.seq})
		if first {
			c.due.Add(l.peers)
		}
		if c.counting.Load() {
			c.ackedIn.Add(1)
			c.ackLat.Add(late)
		}
		c.next(l)
	case errorFrame:
		c.refused.Add(1)
		c.complain("error frame: %s", raw)
		if room, _, _, ours := readID(f.id, c.tag); ours {
			l := c.lanes[room]
			if c.closed {
				time.AfterFunc(errorPause, func() { c.next(l) })
			} else {
				c.answered.Add(1)
			}
		}
	case headFrame, resyncFrame:
		c.heads.Add(1)
	default: // the welcome came before, the others do not matter here
	}
}

// next is called when a lane's message was answered.
func (c *crowd) next(l *lane) {
	c.answered.Add(1)
	if c.closed && !c.stopped.Load() {
		c.send(l, c.now())
	}
}

// send sends a lane's next message, which was due at the given time.
func (c *crowd) send(l *lane, due int64) {
	var idBuf [48]byte
	id := appendID(idBuf[:0], c.tag, l.index, l.n.Add(1), due)
	frame := appendMessage(make([]byte, 0, 128+c.payload), l.room, id, c.payload)
	c.sent.Add(1)
	if c.counting.Load() {
		c.sentIn.Add(1)
		c.sendLag.Add(time.Duration(c.now() - due))
	}
	if err := l.by.sock.write(ws.OpText, frame); err != nil && !l.by.sock.closed.Load() {
		c.complain("send: %v", err)
	}
}

// drain waits until everything sent was answered and everything answered was delivered to the others, or until nothing has
// moved for the given time. A message that comes twice counts once: otherwise a repeat would end the run while another message is
// still in flight, which would then be reported as lost.
func (c *crowd) drain(ctx context.Context, patience time.Duration) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	moved, last := time.Now(), int64(-1)
	for {
		a, d := c.answered.Load(), c.arrived.Load()
		if a >= c.sent.Load() && d >= c.due.Load() {
			return
		}
		if now := a + d; now != last {
			moved, last = time.Now(), now
		}
		if time.Since(moved) > patience {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// close ends every connection and waits for the readers.
func (c *crowd) close() {
	c.stopped.Store(true)
	for _, m := range c.members {
		if m != nil {
			m.sock.close()
		}
	}
	c.readers.Wait()
}

// audit compares what was acked with the history and with what every connection saw. The crowd is closed.
func (c *crowd) audit(ctx context.Context, api *rest, tokens []string) (Tally, error) {
	total := Tally{
		Sent: c.sent.Load(), Delivered: c.delivered.Load(), Heads: c.heads.Load(), Refused: c.refused.Load(),
		Unanswered: c.sent.Load() - c.answered.Load(), Closed: c.lost.Load(),
	}
	reader := make(map[*member]string, len(c.members))
	for i, m := range c.members {
		reader[m] = tokens[i]
	}
	var mu sync.Mutex
	ends := make(map[uint64]uint64, len(c.lanes))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(restClients)
	for _, l := range c.lanes {
		g.Go(func() error {
			var from uint64
			if t := l.by.tracks[l.room]; t != nil {
				from = t.From
			}
			rows, err := history(gctx, api, reader[l.by], l.room, from)
			if err != nil {
				return err
			}
			last, t := checkStored(c.tag, l.index, from, rows, l.acks)
			mu.Lock()
			defer mu.Unlock()
			ends[l.room] = max(ends[l.room], last)
			t.Acked = int64(len(l.acks))
			total.Add(t)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return total, err
	}
	for _, m := range c.members {
		for room, t := range m.tracks {
			if end, ok := ends[room]; ok {
				total.Add(t.End(end))
			}
		}
	}
	return total, nil
}
