package testkit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"chat-service/internal/test/testkit/history"
)

// ChatterOptions describe a Chatter. Name, URL, Token and History are needed.
type ChatterOptions struct {
	Name    string
	User    uint64
	URL     func() string // where to connect, called for every attempt
	Token   func() string
	History *history.History
	Seed    uint64

	// All shows every room from its first visible message on; otherwise from its last seq in the first welcome.
	All bool
	// Window is how many of a room's messages may be unacknowledged: 1. More are numbered with client_seq, so the Token
	// must belong to a login session that never sent before.
	Window int
	// Resend repeats what was not answered after this long: 2 s.
	Resend time.Duration
	// Backoff bounds the first pause before a reconnect; it doubles up to 16 times that: 100 ms.
	Backoff time.Duration
	// Watch are the users whose presence is watched.
	Watch []uint64
}

// Chatter is a client as docs/protocol.md prescribes: it reconnects with jitter, keeps the highest contiguous seq and change_seq of every
// room and fetches what is missing, repeats a send or a change under the same id until it is answered, and records all of it.
type Chatter struct {
	o    ChatterOptions
	rnd  *rand.Rand
	wake chan struct{} // capacity 1: something to send
	stop context.CancelFunc
	done chan struct{}

	mu       sync.Mutex
	rooms    map[uint64]*view
	queues   map[uint64]*queue
	asks     map[uint64][]*asked // unanswered changes, oldest first
	features map[string]bool     // of the last welcome
	numbers  uint64
	conn     int
	open     bool
	again    bool        // the connection is to be replaced by another
	ended    *CloseError // why it doesn't connect again
}

// StartChatter starts a client; it is stopped when the test ends.
func StartChatter(t testing.TB, o ChatterOptions) *Chatter {
	t.Helper()
	if o.Window == 0 {
		o.Window = 1
	}
	if o.Resend == 0 {
		o.Resend = 2 * time.Second
	}
	if o.Backoff == 0 {
		o.Backoff = 100 * time.Millisecond
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	c := &Chatter{
		o: o, rnd: rand.New(rand.NewPCG(o.Seed, 1)), wake: make(chan struct{}, 1), stop: cancel,
		done: make(chan struct{}), rooms: map[uint64]*view{}, queues: map[uint64]*queue{},
		asks: map[uint64][]*asked{},
	}
	go c.run(ctx)
	t.Cleanup(c.Stop)
	return c
}

// Stop ends the client and waits for it.
func (c *Chatter) Stop() {
	c.stop()
	<-c.done
}

// Send queues a message and returns its client_msg_id. It is sent, and sent again, until the server answers it.
func (c *Chatter) Send(room uint64, content string) string {
	c.mu.Lock()
	q := c.queues[room]
	if q == nil {
		q = &queue{}
		c.queues[room] = q
	}
	c.numbers++
	q.numbered++
	m := &outgoing{id: fmt.Sprintf("%s.%d", c.o.Name, c.numbers), content: content, clientSeq: q.numbered}
	c.record(history.Event{Kind: history.Sent, Room: room, ID: m.id, Content: content, Number: c.numbers})
	q.waiting = append(q.waiting, m)
	c.mu.Unlock()
	c.poke()
	return m.id
}

// Connected reports whether the client is connected and has its welcome.
func (c *Chatter) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// Ended is the close after which the client must not reconnect, nil while it may.
func (c *Chatter) Ended() *CloseError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// Have is the highest contiguous seq of a room's view.
func (c *Chatter) Have(room uint64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.rooms[room]; v != nil {
		return v.have
	}
	return 0
}

// AtRest reports whether every send is answered and no room is known to lack a message; if not, why.
func (c *Chatter) AtRest() (ok bool, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		return false, c.o.Name + " is not connected"
	}
	for room, q := range c.queues {
		if len(q.waiting) > 0 {
			return false, fmt.Sprintf("%s has %d unanswered messages in room %d, first %s", c.o.Name, len(q.waiting), room, q.waiting[0].id)
		}
	}
	for room, list := range c.asks {
		if len(list) > 0 {
			return false, fmt.Sprintf("%s has %d unanswered changes in room %d, first %s", c.o.Name, len(list), room, list[0].id)
		}
	}
	for room, v := range c.rooms {
		if v.cursor < v.told {
			return false, fmt.Sprintf("%s has the changes of room %d up to %d of %d", c.o.Name, room, v.cursor, v.told)
		}
		if v.have < v.head || len(v.ahead) > 0 {
			return false, fmt.Sprintf("%s has room %d up to %d of %d", c.o.Name, room, v.have, v.head)
		}
	}
	return true, ""
}

func (c *Chatter) poke() {
	select {
	case c.wake <- struct{}{}:
	default: // a wake-up is pending already
	}
}

// record adds an event of this client. The caller holds c.mu, or owns the connection.
func (c *Chatter) record(e history.Event) {
	e.Client, e.User, e.Conn = c.o.Name, c.o.User, c.conn
	c.o.History.Add(e)
}

func (c *Chatter) run(ctx context.Context) {
	defer close(c.done)
	pause := c.o.Backoff
	for ctx.Err() == nil {
		welcome, end := c.connection(ctx)
		if end != nil && history.Terminal(end.Code) {
			c.mu.Lock()
			c.ended = end
			c.mu.Unlock()
			return
		}
		wait := time.Duration(c.rnd.Int64N(int64(pause) + 1))
		pause = min(2*pause, 16*c.o.Backoff)
		if welcome {
			pause = c.o.Backoff
		}
		if end != nil {
			wait += end.retryAfter()
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// connection connects and serves one connection until it ends; welcome says whether it got a welcome.
func (c *Chatter) connection(ctx context.Context) (welcome bool, end *CloseError) {
	w, err := dialWire(ctx, c.o.URL(), c.o.Token(), nil)
	if err != nil {
		return false, nil //nolint:nilerr // refused or unreachable: try again later
	}
	c.mu.Lock()
	c.conn++
	c.again = false
	c.mu.Unlock()
	quit := make(chan struct{})
	frames := make(chan Frame, 64) // full: the reader waits, as a slow client's would
	ended := make(chan *CloseError, 1)
	go func() {
		defer close(frames)
		for {
			b, err := w.next()
			if err != nil {
				var e *CloseError
				errors.As(err, &e)
				ended <- e
				return
			}
			f, err := parseFrame(b)
			if err != nil {
				f = Frame{"type": "malformed"}
			}
			select {
			case frames <- f:
			case <-quit:
			}
		}
	}()
	welcome = c.converse(ctx, w, frames)
	close(quit)
	w.close()
	end = <-ended
	c.mu.Lock()
	c.open = false
	c.record(history.Event{Kind: history.Closed, Code: end.Code, Stop: ctx.Err() != nil, Word: end.Reason})
	c.mu.Unlock()
	return welcome, end
}

// converse handles frames and sends until the connection or ctx ends, or the server asks to reconnect (goaway).
func (c *Chatter) converse(ctx context.Context, w *wire, frames <-chan Frame) (welcome bool) {
	tick := time.NewTicker(c.o.Resend / 4)
	defer tick.Stop()
	var leave <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return welcome
		case <-leave:
			return welcome
		case f, ok := <-frames:
			if !ok {
				return welcome
			}
			switch f.Type() {
			case "welcome":
				welcome = true
				c.welcomed(f)
				if len(c.o.Watch) > 0 {
					_ = w.sendJSON(map[string]any{"type": "presence", "user_ids": c.o.Watch})
				}
			case "goaway":
				after := time.Duration(f.Num("after_ms")) * time.Millisecond
				leave = time.After(time.Duration(c.rnd.Int64N(int64(after) + 1)))
			default:
				c.took(f)
			}
		case <-tick.C:
		case <-c.wake:
		}
		if welcome && !c.speak(w) {
			return welcome
		}
	}
}

// speak asks for missing messages and sends those that are due. Its errors show at the reader. false: reconnect.
func (c *Chatter) speak(w *wire) bool {
	now := time.Now()
	c.mu.Lock()
	if c.again {
		c.mu.Unlock()
		return false
	}
	points := map[string]any{}
	for room, v := range c.rooms {
		if len(points) < 100 && v.lacks() && now.Sub(v.asked) > c.o.Resend {
			v.asked = now
			point := map[string]any{"seq": v.have, "epoch": v.epoch}
			if c.features["changes"] {
				point["changes"], point["from_seq"] = v.cursor, v.base+1
			}
			points[strconv.FormatUint(room, 10)] = point
		}
	}
	var out []map[string]any
	for room, q := range c.queues {
		for _, m := range q.due(now, c.o.Window, c.o.Resend) {
			f := map[string]any{"type": "message", "room_id": room, "content": m.content, "client_msg_id": m.id}
			if c.o.Window > 1 {
				f["client_seq"] = m.clientSeq
			}
			out = append(out, f)
		}
	}
	out = append(out, c.dueChanges(now)...)
	c.mu.Unlock()
	if len(points) > 0 {
		_ = w.sendJSON(map[string]any{"type": "sync", "rooms": points})
	}
	for _, f := range out {
		_ = w.sendJSON(f)
	}
	return true
}
