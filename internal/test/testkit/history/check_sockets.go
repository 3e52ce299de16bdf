package history

import (
	"slices"
	"time"
)

// Bounds of I10.
const (
	presenceLag  = 20 * time.Second // from the last socket's end to "offline"
	presenceLife = 10 * time.Second // a socket older than this must be known to presence
)

// span is the lifetime of a socket; end 0: to the end of the history.
type span struct{ begin, end time.Duration }

// presence is I10, as far as watchers saw it. A "read at rest" is taken from the last event of each watcher's connection.
func (c *checker) presence() {
	if len(c.events) == 0 {
		return
	}
	lives := c.lives()
	end := c.events[len(c.events)-1].At
	type watch struct {
		client string
		conn   int
		about  uint64
	}
	said, until := map[watch]Event{}, map[string]time.Duration{}
	for _, e := range c.events {
		switch e.Kind {
		case Watched:
			said[watch{e.Client, e.Conn, e.About}] = e
			c.flap(e, lives[e.About])
		case Closed:
			until[e.Client] = e.At
		case Opened:
			delete(until, e.Client)
		}
	}
	conns := map[string]int{}
	for _, e := range c.events {
		conns[e.Client] = max(conns[e.Client], e.Conn)
	}
	for w, e := range said {
		last, ok := until[w.client]
		if !ok {
			last = end
		}
		if !e.Online || !c.users[w.about] || w.conn != conns[w.client] {
			continue
		}
		if died, alive := lastLife(lives[w.about], last); !alive && last-died > presenceLag {
			c.report("I10", "%s saw user %d online until %v; their last socket ended at %v", w.client, w.about, last, died)
		}
	}
}

// flap reports an "offline" about a user who had a socket throughout, and an "online" about one who had none for too long.
func (c *checker) flap(e Event, lives []span) {
	if e.Online {
		if died, alive := lastLife(lives, e.At); c.users[e.About] && len(lives) > 0 && !alive && died > 0 && e.At-died > presenceLag {
			c.report("I10", "%s saw at %v that user %d is online; their last socket had ended at %v", e.Client, e.At, e.About, died)
		}
		return
	}
	for _, s := range lives {
		if s.begin < e.At-presenceLife && (s.end == 0 || s.end > e.At) {
			c.report("I10", "%s saw at %v that user %d is offline; they had a socket since %v", e.Client, e.At, e.About, s.begin)
		}
	}
}

// lastLife returns when the last socket before at ended, and whether one exists at that time.
func lastLife(lives []span, at time.Duration) (died time.Duration, alive bool) {
	for _, s := range lives {
		if s.begin <= at && (s.end == 0 || s.end > at) {
			return 0, true
		}
		if s.end != 0 && s.end <= at {
			died = max(died, s.end)
		}
	}
	return died, false
}

func (c *checker) lives() map[uint64][]span {
	lives := map[uint64][]span{}
	open := map[string]int{} // client → index of its open span
	for _, e := range c.events {
		switch e.Kind {
		case Opened:
			open[e.Client] = len(lives[e.User])
			lives[e.User] = append(lives[e.User], span{begin: e.At})
		case Closed:
			if i, ok := open[e.Client]; ok {
				lives[e.User][i].end = e.At
				delete(open, e.Client)
			}
		}
	}
	return lives
}

// documented are the close codes of docs/protocol.md, and 1006 for a connection that was lost.
var documented = [...]int{
	1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011, 1012, 1013,
	4000, 4001, 4002, 4003, 4004, 4005, 4006, 4500, 4501, 4502, 4503, 4504, 4505, 4506,
}

// closes is I13.
func (c *checker) closes() {
	last := map[string]Event{}
	for _, e := range c.events {
		switch e.Kind {
		case Closed:
			if !slices.Contains(documented[:], e.Code) {
				c.report("I13", "%s was closed with %d", e.Client, e.Code)
			}
			last[e.Client] = e
		case Opened:
			if l, ok := last[e.Client]; ok && Terminal(l.Code) {
				c.report("I13", "%s was closed with %d, which is final, and reconnected", e.Client, l.Code)
			}
			delete(last, e.Client)
		}
	}
	for client, e := range last {
		if !e.Stop && !Terminal(e.Code) {
			c.report("I13", "%s was closed with %d and did not reconnect", client, e.Code)
		}
	}
}

// Terminal reports whether a client must not reconnect after this close code.
func Terminal(code int) bool {
	switch code {
	case 1002, 1003, 1007, 1008, 1009:
		return true
	}
	return code >= 4500 && code <= 4999
}
