package testkit

import (
	"fmt"
	"slices"
	"time"

	"chat-service/internal/test/testkit/history"
)

// view is what a Chatter has of a room.
type view struct {
	epoch uint64
	have  uint64 // highest contiguous seq
	head  uint64 // highest known seq
	ahead map[uint64]entry
	asked time.Time // when the last sync was sent; zero: none is pending
	whole bool      // false until the first sync is answered (ChatterOptions.All)

	base         uint64            // what comes after it is held
	cursor, told uint64            // change_seqs: up to which all changes are known, and the highest that was heard of
	more         bool              // the last sync couldn't bring all changes
	senders      map[uint64]uint64 // of the messages in the view, by seq
}

type entry struct {
	sender  uint64
	id      string
	content string
}

func (v *view) lacks() bool {
	return !v.whole || v.have < v.head || len(v.ahead) > 0 || v.cursor < v.told || v.more
}

// queue is a room's unanswered messages, oldest first.
type queue struct {
	waiting  []*outgoing
	numbered uint64
}

type outgoing struct {
	id, content string
	clientSeq   uint64
	sent        time.Time // zero: to be sent now
	notBefore   time.Time
}

// due picks what to send now: of the oldest window messages those that were not sent, or not answered for too long.
// If one has to be repeated, so are the later ones, in order.
func (q *queue) due(now time.Time, window int, resend time.Duration) (ms []*outgoing) {
	again := false
	for _, m := range q.waiting[:min(window, len(q.waiting))] {
		if now.Before(m.notBefore) {
			break
		}
		if again || m.sent.IsZero() || now.Sub(m.sent) > resend {
			again = true
			m.sent = now
			ms = append(ms, m)
		}
	}
	return ms
}

func (q *queue) find(id string) *outgoing {
	for _, m := range q.waiting {
		if m.id == id {
			return m
		}
	}
	return nil
}

func (q *queue) remove(id string) {
	q.waiting = slices.DeleteFunc(q.waiting, func(m *outgoing) bool { return m.id == id })
}

// welcomed takes the welcome's list of rooms: of those not in it the user is no longer a member.
func (c *Chatter) welcomed(f Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = true
	c.record(history.Event{Kind: history.Opened, Word: f.Str("session_id")})
	c.features = map[string]bool{}
	list, _ := f["features"].([]any)
	for _, name := range list {
		c.features[fmt.Sprint(name)] = true
	}
	listed := map[uint64]bool{}
	for _, r := range f.List("rooms") {
		listed[r.Num("id")] = true
		c.enter(r)
	}
	for room, v := range c.rooms {
		if !listed[room] && !f.Bool("more") {
			delete(c.rooms, room)
			continue
		}
		v.asked = time.Time{}
	}
	for _, q := range c.queues {
		for _, m := range q.waiting {
			m.sent = time.Time{}
		}
	}
	for _, list := range c.asks {
		for _, a := range list {
			a.sent = time.Time{}
		}
	}
}

// enter begins or continues the view of a room that a frame shows.
func (c *Chatter) enter(r Frame) {
	room, last, epoch, changes := r.Num("id"), r.Num("last_seq"), r.Num("epoch"), r.Num("change_seq")
	v := c.rooms[room]
	switch {
	case v == nil && c.o.All:
		v = &view{epoch: epoch, head: last, senders: map[uint64]uint64{}}
		c.record(history.Event{Kind: history.Based, Room: room, Word: "first"})
	case v == nil:
		v = &view{epoch: epoch, have: last, base: last, cursor: changes, whole: true, senders: map[uint64]uint64{}}
		c.record(history.Event{Kind: history.Based, Room: room, Seq: last, Word: "first"})
	case v.epoch != epoch:
		c.rebase(room, v, epoch, last, "epoch")
		v.cursor, v.told = changes, changes
	}
	if v.ahead == nil {
		v.ahead = map[uint64]entry{}
	}
	v.head, v.told = max(v.head, last), max(v.told, changes)
	c.rooms[room] = v
}

func (c *Chatter) rebase(room uint64, v *view, epoch, have uint64, why string) {
	v.epoch, v.have, v.head, v.base, v.whole = epoch, have, have, have, true
	v.cursor, v.more = v.told, false // nothing is held whose changes could be missed
	v.ahead, v.senders = map[uint64]entry{}, map[uint64]uint64{}
	c.record(history.Event{Kind: history.Based, Room: room, Seq: have, Word: why})
}

// took handles every frame but welcome and goaway.
func (c *Chatter) took(f Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	room, seq := f.Num("room_id"), f.Num("seq")
	switch f.Type() {
	case "message":
		seen := SeenOf(f, false)
		c.record(history.Event{Kind: history.Received, Room: room, Seq: seq, About: f.Num("sender_id"), ID: f.Str("client_msg_id"), Content: f.Str("content"), Seen: &seen})
		c.place(room, seq, entry{f.Num("sender_id"), f.Str("client_msg_id"), f.Str("content")})
	case "ack":
		c.acked(f)
	case "done":
		c.did(f)
	case "change":
		c.changed(f)
	case "error":
		c.refused(f)
	case "head":
		for k, last := range f.Obj("rooms") {
			if v := c.rooms[number(k)]; v != nil {
				v.head = max(v.head, number(last))
			}
		}
		for k, change := range f.Obj("changes") {
			if v := c.rooms[number(k)]; v != nil {
				v.told = max(v.told, number(change))
			}
		}
	case "synced":
		c.synced(f)
	case "resync":
		switch v := c.rooms[room]; {
		case v == nil:
		case v.epoch != f.Num("epoch"):
			c.again = true // the next welcome says where the room stands
		default:
			c.rebase(room, v, v.epoch, v.head, "resync")
		}
	case "joined":
		c.enter(f.Obj("room"))
	case "left":
		c.record(history.Event{Kind: history.Left, Room: room, Seq: seq, Word: f.Str("reason")})
		delete(c.rooms, room)
	case "read":
		c.record(history.Event{Kind: history.ReadAt, Room: room, Seq: seq, About: f.Num("user_id")})
	case "presence":
		for _, u := range f.List("users") {
			if u["online"] != nil {
				c.record(history.Event{Kind: history.Watched, About: u.Num("user_id"), Online: u.Bool("online")})
			}
		}
	}
}

// place adds an entry to the view, or keeps it until those before it have come.
func (c *Chatter) place(room, seq uint64, e entry) {
	v := c.rooms[room]
	if v == nil || seq <= v.have {
		return
	}
	v.ahead[seq] = e
	v.head = max(v.head, seq)
	c.drain(room, v)
}

// drain moves what has become contiguous into the view.
func (c *Chatter) drain(room uint64, v *view) {
	for {
		e, ok := v.ahead[v.have+1]
		if !ok {
			return
		}
		v.have++
		delete(v.ahead, v.have)
		v.senders[v.have] = e.sender
		c.record(history.Event{Kind: history.Shown, Room: room, Seq: v.have, About: e.sender, ID: e.id, Content: e.content})
	}
}

func (c *Chatter) acked(f Frame) {
	room, id := f.Num("room_id"), f.Str("client_msg_id")
	c.record(history.Event{Kind: history.Acked, Room: room, Seq: f.Num("seq"), ID: id, Duplicate: f.Bool("duplicate")})
	q := c.queues[room]
	if q == nil {
		return
	}
	if m := q.find(id); m != nil {
		c.place(room, f.Num("seq"), entry{c.o.User, id, m.content})
		q.remove(id)
	}
}

func (c *Chatter) refused(f Frame) {
	ref, retry := f.Str("ref"), f.Bool("retry")
	wait := max(time.Duration(f.Num("retry_after_ms"))*time.Millisecond, 10*time.Millisecond)
	if room, found := c.answered(ref, retry, wait); found {
		c.record(history.Event{Kind: history.Denied, Room: room, ID: ref, Word: f.Str("code"), Retry: retry})
		return
	}
	for room, q := range c.queues {
		m := q.find(ref)
		if m == nil {
			continue
		}
		c.record(history.Event{Kind: history.Nacked, Room: room, ID: ref, Word: f.Str("code"), Retry: retry})
		if !retry {
			q.remove(ref)
			return
		}
		m.sent, m.notBefore = time.Time{}, time.Now().Add(wait)
		return
	}
}

// synced handles the end of a sync, which says that all of a range has been sent.
func (c *Chatter) synced(f Frame) {
	room, from, to := f.Num("room_id"), f.Num("from_seq"), f.Num("to_seq")
	c.record(history.Event{Kind: history.Synced, Room: room, Seq: to, From: from})
	v := c.rooms[room]
	if v == nil {
		return
	}
	if from > v.have+1 {
		// What comes before is not visible to this member, or no longer: they left and came back.
		v.have, v.base = from-1, from-1
		c.record(history.Event{Kind: history.Based, Room: room, Seq: v.have, Word: "visible"})
		c.drain(room, v)
	}
	v.whole, v.asked = true, time.Time{}
	v.head = max(v.head, f.Num("last_seq"))
	v.cursor, v.more = max(v.cursor, f.Num("change_seq")), f.Bool("more_changes")
	v.told = max(v.told, v.cursor)
	if v.have < to {
		c.record(history.Event{Kind: history.Hole, Room: room, Seq: to, From: v.have})
	}
}
