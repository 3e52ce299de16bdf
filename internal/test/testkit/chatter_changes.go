package testkit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chat-service/internal/test/testkit/history"
)

// Ask is a change to ask for: Kind is edit, recall, reaction or pin.
type Ask struct {
	Kind    string
	Seq     uint64
	Content string // of an edit
	Key     string // of a reaction
	On      bool   // of a reaction or pin
}

// asked is a change that waits for its answer.
type asked struct {
	Ask
	id        string
	sent      time.Time // zero: to be sent now
	notBefore time.Time
}

// frame is how a client asks for it.
func (a *asked) frame(room uint64) map[string]any {
	f := map[string]any{"type": a.Kind, "room_id": room, "seq": a.Seq, "change_id": a.id, "ref": a.id}
	switch a.Kind {
	case "edit":
		f["content"] = a.Content
	case "pin":
		f["on"] = a.On
	case "reaction":
		f["type"], f["key"], f["on"] = "react", a.Key, a.On
	}
	return f
}

// Change queues a change and returns its change_id. It is asked for, and asked for again, until the server answers it; one after the
// other in a room.
func (c *Chatter) Change(room uint64, a Ask) string {
	c.mu.Lock()
	c.numbers++
	id := fmt.Sprintf("%s.c%d", c.o.Name, c.numbers)
	c.mu.Unlock()
	c.ChangeAgain(room, id, a)
	return id
}

// ChangeAgain queues a change under an id that may have been answered before: as one whose answer was lost, while others came after it.
func (c *Chatter) ChangeAgain(room uint64, id string, a Ask) {
	c.mu.Lock()
	c.record(history.Event{Kind: history.Asked, Room: room, Seq: a.Seq, ID: id, Word: a.Kind, Content: a.Content, Key: a.Key, On: a.On})
	c.asks[room] = append(c.asks[room], &asked{Ask: a, id: id})
	c.mu.Unlock()
	c.poke()
}

// Unanswered is how many changes wait for their answers.
func (c *Chatter) Unanswered() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, list := range c.asks {
		n += len(list)
	}
	return n
}

// Cursor is the change_seq up to which a room's changes are known.
func (c *Chatter) Cursor(room uint64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.rooms[room]; v != nil {
		return v.cursor
	}
	return 0
}

// Knows returns the sender of a message in a room's view; ok is false if the view lacks it.
func (c *Chatter) Knows(room, seq uint64) (sender uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.rooms[room]; v != nil {
		sender, ok = v.senders[seq]
	}
	return sender, ok
}

// dueChanges picks what to ask for now: the oldest unanswered change of each room. The caller holds c.mu.
func (c *Chatter) dueChanges(now time.Time) (out []map[string]any) {
	if !c.features["changes"] {
		return nil
	}
	for room, list := range c.asks {
		if len(list) == 0 {
			continue
		}
		if a := list[0]; !now.Before(a.notBefore) && (a.sent.IsZero() || now.Sub(a.sent) > c.o.Resend) {
			a.sent = now
			out = append(out, a.frame(room))
		}
	}
	return out
}

// answered drops a change that was answered for good, or has it asked again after a while.
func (c *Chatter) answered(id string, again bool, wait time.Duration) (room uint64, found bool) {
	for room, list := range c.asks {
		i := slices.IndexFunc(list, func(a *asked) bool { return a.id == id })
		switch {
		case i < 0:
			continue
		case again:
			list[i].sent, list[i].notBefore = time.Time{}, time.Now().Add(wait)
		default:
			c.asks[room] = slices.Delete(list, i, i+1)
		}
		return room, true
	}
	return 0, false
}

// did takes the answer to a change.
func (c *Chatter) did(f Frame) {
	room := f.Num("room_id")
	c.record(history.Event{
		Kind: history.Done, Room: room, Seq: f.Num("seq"), ID: f.Str("change_id"), Change: f.Num("change_seq"), Version: f.Num("version"),
	})
	if v := c.rooms[room]; v != nil {
		v.told = max(v.told, f.Num("change_seq"))
	}
	c.answered(f.Str("change_id"), false, 0)
	c.poke()
}

// changed takes a change: the cursor moves only if nothing is missing before it.
func (c *Chatter) changed(f Frame) {
	room, m := f.Num("room_id"), f.Obj("message")
	e := history.Event{Kind: history.Changed, Room: room, Seq: m.Num("seq"), Change: f.Num("change_seq"), Prev: f.Num("prev"), AtSeq: f.Num("at_seq")}
	if m != nil {
		s := SeenOf(m, true)
		e.Seen = &s
	}
	c.record(e)
	v := c.rooms[room]
	if v == nil {
		return
	}
	v.told = max(v.told, e.Change)
	if e.Prev <= v.cursor {
		v.cursor = max(v.cursor, e.Change)
	}
}

// SeenOf reads what a frame or an answer tells of a message's state. partial: what isn't there is unchanged, else it is none.
func SeenOf(f Frame, partial bool) history.Seen {
	s := history.Seen{Change: f.Num("change_seq"), Version: max(f.Num("version"), 1)}
	tells := func(field string) bool { return !partial || f.Has(field) }
	if tells("content") {
		text := f.Str("content")
		s.Content = &text
	}
	if tells("recalled") {
		is := f["recalled"] != nil
		s.Recalled = &is
	}
	if tells("pinned") {
		is := f["pinned"] != nil
		s.Pinned = &is
	}
	if tells("reactions") {
		text := reactionsOf(f)
		s.Reactions = &text
	}
	return s
}

func reactionsOf(f Frame) string {
	by := map[string]string{}
	for _, r := range f.List("reactions") {
		var users []uint64
		list, _ := r["user_ids"].([]any)
		for _, u := range list {
			users = append(users, number(u))
		}
		by[r.Str("key")] = history.ReactionsOf(r.Str("key"), r.Num("count"), users)
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, by[key])
	}
	return strings.Join(parts, "; ")
}
