package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

const drainRows = 256

// callGap is between a call and the look: others share it, and the gateways have attached the room that was just made.
const callGap = 20 * time.Millisecond

// pollOutbox tells the committers which of this worker's partitions have rows: when it is called, and from time to time.
func (w *Worker) pollOutbox(ctx context.Context) {
	called, live := make(chan struct{}, 1), atomic.Bool{}
	call := func() {
		select {
		case called <- struct{}{}:
		default: // a look is due anyway
		}
	}
	var hearing sync.WaitGroup
	defer hearing.Wait()
	hearing.Go(func() {
		w.o.Calls.HearCalls(ctx, call, func(can bool) {
			live.Store(can)
			call() // for what was missed until now; and the next look comes in time
		})
	})
	next := time.NewTimer(w.o.OutboxPoll)
	defer next.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-called:
			select {
			case <-ctx.Done():
			case <-time.After(callGap):
			}
		case <-next.C:
		}
		if next.Reset(w.o.OutboxPoll); live.Load() {
			next.Reset(w.o.OutboxRest)
		}
		owned := *w.owned.Load()
		if len(owned) == 0 {
			continue
		}
		qctx, cancel := context.WithTimeout(ctx, w.o.Patience)
		ps, err := w.o.Outbox.OutboxWaiting(qctx, owned)
		cancel()
		if (err != nil) != failing && ctx.Err() == nil {
			failing = err != nil
			w.o.Logger.WarnContext(ctx, "poll outbox", "failing", failing, "err", err)
		}
		for _, p := range ps {
			w.committer(p).nudge(work{partition: p, relay: true})
		}
	}
}

// drain announces what the outboxes of some partitions hold, of the rooms in upTo only the entries up to there: the later
// ones follow what is about to be announced. ok is false when the outboxes couldn't be read.
func (c *committer) drain(ctx context.Context, partitions []int, upTo map[chat.RoomID]chat.Seq, out *parcels) (rows []envelope.Announcement, ok bool) {
	for {
		qctx, cancel := context.WithTimeout(ctx, c.w.o.Patience)
		limit := drainRows + c.flying.Len()
		found, err := c.w.o.Outbox.Outbox(qctx, partitions, limit)
		cancel()
		if err != nil {
			c.w.o.Logger.WarnContext(ctx, "read outbox", "partitions", partitions, "err", err)
			return rows, false
		}
		full := len(found) == limit
		fresh := c.flying.Take(found, upTo)
		var rooms []*roomState
		for _, a := range fresh {
			if a.Message != nil && c.hears(a.Message.Room) {
				rooms = append(rooms, c.room(a.Message.Room))
			}
		}
		c.ask(c.locate(ctx, rooms), out)
		latest := latestReads(fresh)
		for i := range fresh {
			if r := fresh[i].Read; r == nil || r.ReadSeq >= latest[member{r.Room, r.User}] {
				c.tell(ctx, &fresh[i], out)
			}
		}
		c.w.o.Metrics.Relayed.Add(float64(len(fresh)))
		rows = append(rows, fresh...)
		if !full || len(fresh) == 0 {
			return rows, true
		}
	}
}

type member struct {
	room chat.RoomID
	user chat.UserID
}

// latestReads finds each member's furthest pointer: rows that are announced again must not show it going back.
func latestReads(rows []envelope.Announcement) map[member]chat.Seq {
	latest := map[member]chat.Seq{}
	for i := range rows {
		if r := rows[i].Read; r != nil {
			k := member{r.Room, r.User}
			latest[k] = max(latest[k], r.ReadSeq)
		}
	}
	return latest
}

// tell announces one row.
func (c *committer) tell(ctx context.Context, a *envelope.Announcement, out *parcels) {
	switch {
	case a.Message != nil:
		c.tellEntry(ctx, a, out)
	case a.Read != nil:
		c.tellRead(ctx, *a.Read, "", 0, out)
	case a.Revoked != nil:
		code := protocol.CloseRevoked
		if a.Revoked.Disabled {
			code = protocol.CloseDisabled
		}
		out.all(&envelope.Delivery{
			Kind: envelope.Close, User: a.Revoked.User, Sessions: a.Revoked.Sessions,
			Session: a.Revoked.Except, Code: int(code),
		})
	}
}

// tellEntry announces a log entry that REST wrote, and what changed with it.
func (c *committer) tellEntry(ctx context.Context, a *envelope.Announcement, out *parcels) {
	m := *a.Message
	d := envelope.Delivery{
		Kind: envelope.InRoom, Room: m.Room, Seq: m.Seq, Frame: protocol.AppendMessage(nil, m),
		Added: a.Added, Removed: a.Removed, All: a.All, Reason: a.Reason,
	}
	r := c.room(m.Room)
	if a.Room != nil {
		d.Epoch = a.Room.Epoch
		if a.Change != chat.NoChange && a.Change != chat.RoomDissolved {
			d.Event = protocol.AppendRoom(nil, protocol.RoomView(*a.Room), a.Change, a.About)
		}
	} else {
		d.Epoch = r.epoch
	}
	if len(a.Added) > 0 && a.Room != nil {
		c.tellAdded(ctx, a, d, out)
	} else {
		c.toRoom(&d, out)
	}
	for _, u := range a.Added[:min(len(a.Added), mostAdded-len(c.added))] {
		c.added = append(c.added, addition{envelope.Point{Room: m.Room, Seq: m.Seq, Epoch: d.Epoch}, u, time.Now()})
	}
	for _, u := range a.Removed {
		c.w.facts.Forget(m.Room, u)
	}
	r.reached(m.Seq, d.Epoch)
	c.w.keep.Count([]chat.Head{{Room: m.Room, Seq: m.Seq, Before: m.Seq - 1, Epoch: d.Epoch, MsgCount: m.Ord}}, []chat.Message{m})
}

// tellAdded announces an entry that made members: each sees the room as his own list shows it, so a direct room's two
// people and a group's owner get an entry of their own (the hub takes a repeated seq for its membership facts only).
func (c *committer) tellAdded(ctx context.Context, a *envelope.Announcement, d envelope.Delivery, out *parcels) {
	var plain, special []chat.UserID
	for _, u := range a.Added {
		if a.Room.Type == chat.Direct || u == a.Room.Owner {
			special = append(special, u)
		} else {
			plain = append(plain, u)
		}
	}
	view := func(u chat.UserID, role chat.Role, peer *chat.User) []byte {
		return protocol.AppendJoined(nil, protocol.ListedRoomView(chat.Membership{
			Room: *a.Room, Peer: peer, Last: a.Message,
			Member: chat.Member{Room: a.Room.ID, User: u, Role: role, ReadSeq: a.Message.Seq, ReadCount: a.Room.MsgCount},
		}))
	}
	var people map[chat.UserID]*chat.User
	if a.Room.Type == chat.Direct {
		people = c.people(ctx, a.Added)
	}
	if len(plain) > 0 || len(special) == 0 {
		d.Added, d.JoinedTo = plain, view(0, chat.Plain, nil)
		c.toRoom(&d, out)
	}
	for _, u := range special {
		role, peer := chat.Owner, (*chat.User)(nil)
		if a.Room.Type == chat.Direct {
			role = chat.Plain
			for _, v := range a.Added {
				if v != u {
					peer = people[v]
				}
			}
		}
		d.Added, d.JoinedTo = []chat.UserID{u}, view(u, role, peer)
		c.toRoom(&d, out)
	}
}

// people looks users up for a view; who can't be found is left out.
func (c *committer) people(ctx context.Context, ids []chat.UserID) map[chat.UserID]*chat.User {
	ctx, cancel := context.WithTimeout(ctx, c.w.o.Patience)
	defer cancel()
	us, err := c.w.o.Accounts.Users(ctx, ids)
	if err != nil {
		c.w.o.Logger.WarnContext(ctx, "look users up", "err", err)
	}
	m := make(map[chat.UserID]*chat.User, len(us))
	for i := range us {
		m[us[i].ID] = &us[i]
	}
	return m
}
