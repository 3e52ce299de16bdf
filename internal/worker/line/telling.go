package line

import (
	"context"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

const (
	// reactionsEvery is how often a room hears of reactions to one message at most: the first goes out at once, those that follow wait
	// for each other. A thousand people who react to one message are five frames a second and not a thousand. Gateways write what a crowd
	// gets within 50 ms more: together it is what the protocol allows.
	reactionsEvery = 200 * time.Millisecond
	maxTelling     = 256 // messages whose changes wait in a room; more go out at once
)

// telling is what the owner of a room keeps of its changes.
type telling struct {
	changes chat.ChangeSeq // the last one given to the broker
	of      uint64         // the epoch in which it counts; 0: not known

	waiting []waiting              // of each message the last change, ascending: reactions, which go out together when due
	prev    chat.ChangeSeq         // before the first one that waited: they are all that follow it
	due     time.Time              // when they go out; zero: nothing waits
	reacted map[chat.Seq]time.Time // when reactions to a message were last announced, within reactionsEvery
}

// waiting is the last change of a message that waits, and all that it covers. However many react to one message, that is one.
type waiting struct {
	chat.Changed
	reaction bool // one of them is
}

// told is how far the room's changes were given to the broker; 0 where that isn't known.
func (r *room) told() chat.ChangeSeq {
	if t := &r.telling; t.of == 0 || t.of == r.epoch {
		return shown(t.changes)
	}
	return 0
}

// heard is how far they are known here: told, or waiting.
func (r *room) heard() chat.ChangeSeq {
	if w := r.telling.waiting; len(w) > 0 {
		return max(w[len(w)-1].ChangeSeq, r.told())
	}
	return r.told()
}

// tells moves the number of the last announced change forward; a new epoch starts over.
func (r *room) tells(n chat.ChangeSeq, epoch uint64) {
	t := &r.telling
	if epoch > t.of || epoch == t.of && n > t.changes {
		t.changes, t.of = n, epoch
	}
}

// tell has a committed change announced: at once, or with the room's other reactions when they are due. What was announced before, and
// is asked for again, goes out as it is now, in its old place.
func (c *Committer) tell(x *chat.Changed, out *deliver.Parcels) {
	if x.NoOp || x.ChangeSeq == 0 {
		return
	}
	r, now := c.room(x.Change.Room), c.l.o.Now()
	r.active = now
	c.outdates(x)
	t := &r.telling
	if x.Repeat {
		c.sendChange(r, x, x.ChangeSeq-1, out)
		return
	}
	if n := len(t.waiting); n > 0 && t.waiting[n-1].ChangeSeq != x.Prev || n >= maxTelling {
		c.flushRoom(r, now, out)
	}
	if len(t.waiting) == 0 {
		t.prev = x.Prev
	}
	w := waiting{*x, x.Change.Kind == chat.ChangeReaction}
	if i := slices.IndexFunc(t.waiting, func(w waiting) bool { return w.Change.Seq == x.Change.Seq }); i >= 0 {
		w.Prev = w.ChangeSeq // it isn't alone: the frame shows all of the message
		w.reaction = w.reaction || t.waiting[i].reaction
		t.waiting = slices.Delete(t.waiting, i, i+1)
	}
	t.waiting = append(t.waiting, w)
	switch since, lately := t.reacted[x.Change.Seq]; {
	case x.Change.Kind != chat.ChangeReaction, t.due.IsZero() && (!lately || now.Sub(since) >= reactionsEvery):
		t.due = now
	case t.due.IsZero():
		t.due = since.Add(reactionsEvery)
	}
	c.telling[r.id] = r
}

// release announces what waited and is due: rooms' changes, users' profiles. It comes back when more is.
func (c *Committer) release(ctx context.Context, out *deliver.Parcels) {
	now := c.l.o.Now()
	next := c.showProfiles(ctx, now, out)
	for id, r := range c.telling {
		if due := r.telling.due; due.After(now) {
			next = earlier(next, due)
			continue
		}
		c.flushRoom(r, now, out)
		delete(c.telling, id)
	}
	if next.IsZero() || !c.alarm.IsZero() && !next.Before(c.alarm) {
		return
	}
	c.alarm = next
	c.inHand.Add(1) // until then: a worker that stops waits for it
	time.AfterFunc(next.Sub(now), func() {
		c.add(ctx, work{release: true})
		c.inHand.Add(-1)
	})
}

// hurry announces what waits in a partition's rooms: another worker takes it over.
func (c *Committer) hurry(p *partition, out *deliver.Parcels) {
	for id, r := range p.rooms {
		c.flushRoom(r, c.l.o.Now(), out)
		delete(c.telling, id)
	}
}

// flushRoom announces what waits in a room: of each message only its latest state, in the order of the latest changes. `prev` says what
// each frame covers, so that the numbers have no hole: what a frame leaves out comes with one of the later ones.
func (c *Committer) flushRoom(r *room, now time.Time, out *deliver.Parcels) {
	t := &r.telling
	all, prev := t.waiting, t.prev
	t.waiting, t.due = nil, time.Time{}
	if len(all) == 0 {
		return
	}
	for i := range all {
		c.sendChange(r, &all[i].Changed, prev, out)
		prev = all[i].ChangeSeq
	}
	r.tells(prev, r.epoch)
	for seq, at := range t.reacted {
		if now.Sub(at) >= reactionsEvery {
			delete(t.reacted, seq)
		}
	}
	for i := range all {
		if !all[i].reaction {
			continue
		}
		if t.reacted == nil {
			t.reacted = map[chat.Seq]time.Time{}
		}
		t.reacted[all[i].Change.Seq] = now
	}
}

// sendChange routes one change: with the message to sessions that may see it, without it to the others, whose numbers go on.
func (c *Committer) sendChange(r *room, x *chat.Changed, prev chat.ChangeSeq, out *deliver.Parcels) {
	if losesChange(x) {
		return
	}
	bare := protocol.AppendBareChange(nil, *x, prev)
	d := envelope.Delivery{
		Kind: envelope.Changed, Room: x.Change.Room, Seq: x.Change.Seq, Epoch: r.epoch,
		Changes: x.ChangeSeq, Prev: prev, AtSeq: x.AtSeq,
		Frame: bare, Bare: bare,
	}
	if x.Message.Seq != 0 {
		d.Frame = protocol.AppendChange(nil, *x, prev)
	}
	if overtakes() {
		d.AtSeq = 0
	}
	c.route(&d, out)
}

// outdates has the recent lists forget what an edit or a recall has changed, and reports the change to whoever watches.
func (c *Committer) outdates(x *chat.Changed) {
	c.l.behind.hear(x.Change.Room)
	if x.Change.Kind == chat.ChangeEdit || x.Change.Kind == chat.ChangeRecall || x.Change.Kind == chat.ChangeErase {
		c.l.behind.outdate(x.Change.Room)
	}
}

// earlier returns the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
