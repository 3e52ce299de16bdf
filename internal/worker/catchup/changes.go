package catchup

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// Bounds are how many changes a client may catch up on; 0: no bound.
type Bounds struct {
	Changes int // changed messages of a room in one answer
	Resync  int // of a room; more are answered by resync
}

// changes are what was read of rooms' changes for some syncs that are answered together: clients that were away together lack the same.
type changes struct {
	l    Log
	b    Bounds
	read map[chat.ChangesQuery]*chapter
}

// chapter is an answer of the store, and its frames as far as they were needed.
type chapter struct {
	page   chat.ChangesPage
	frames [][]byte
}

// ask says what a client that has a cursor may lack of the states of the messages that it has. Somebody who has left lacks nothing: they
// see by REST what is left of what they may see.
func (g *gap) ask(p envelope.Point, m chat.Membership) {
	g.cursor, g.changed, g.upTo = true, p.Changes, m.Room.Changes
	g.whole = g.whole && p.Changes <= g.upTo
	first, last, _ := m.Member.Window(m.Room.LastSeq)
	from, to := max(first, p.From), min(p.Seq, last)
	switch {
	case !g.seen || !g.whole || !m.Member.In() && !tellsLeavers():
	case from > to || p.Changes == g.upTo:
		g.changed = g.upTo
	default:
		g.asks = chat.ChangesQuery{Room: p.Room, Since: p.Changes, From: from, To: to}
	}
}

// of reads what one sync asks for, as far as it can be sent at all.
func (x *changes) of(ctx context.Context, gaps []gap) error {
	size := 0
	for i := range gaps {
		g := &gaps[i]
		if g.asks.Room == 0 || size > syncBytes {
			continue
		}
		q := g.asks
		q.Limit, q.Most, q.Bytes = x.b.Changes, x.b.Resync, syncBytes
		if x.read[q] == nil {
			page, err := x.l.ChangedSince(ctx, q)
			if err != nil {
				return err
			}
			x.read[q] = &chapter{page, make([][]byte, len(page.Messages))}
		}
		g.told = x.read[q]
		for _, m := range g.told.page.Messages {
			size += len(m.Content) + len(m.Data)
		}
	}
	return nil
}

// unlessSome is err where nothing was answered yet; else the rest is answered in another call.
func unlessSome(n int, err error) error {
	if n > 0 {
		return nil
	}
	return err
}

// changes sends the changed messages that the client has, as far as left bytes go, and says how far its cursor is then: no further than
// the room was when the entries above had not been read yet, because those are as they were then.
func (g *gap) changes(s *protocol.Synced, left *int, send sender) {
	s.ChangeSeq = &g.changed
	if g.asks.Room == 0 {
		return
	}
	if s.MoreChanges = true; g.told == nil {
		return
	}
	p := &g.told.page
	upTo := s.To // said once: all are of entries up to there
	for i := range p.Messages {
		m := &p.Messages[i]
		if *left <= 0 {
			return
		}
		if m.State.ChangeSeq > g.upTo { // changed again since: it is shown whole, because the live frame of that shows only what it changed
			send(Frame{Text: protocol.AppendCaughtUp(nil, *m, m.State.ChangeSeq-1, g.asks.To), UpTo: upTo, Shows: m.Seq})
			upTo = 0
			*left -= len(m.Content) + len(m.Data) + frameBytes
			continue
		}
		if g.told.frames[i] == nil {
			g.told.frames[i] = protocol.AppendCaughtUp(nil, *m, g.changed, g.asks.To)
		}
		send(Frame{Text: g.told.frames[i], UpTo: upTo, Shows: m.Seq})
		upTo = 0
		*left -= len(g.told.frames[i]) + frameBytes
		g.changed = m.State.ChangeSeq
	}
	s.MoreChanges = p.More && p.Covered < g.upTo
	g.changed = max(g.changed, min(p.Covered, g.upTo))
}
