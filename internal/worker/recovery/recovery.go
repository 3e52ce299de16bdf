package recovery

import (
	"cmp"
	"context"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/faults"
	"chat-service/internal/protocol"
)

const (
	roomEntries = 1000 // entries per room in one sync
	roomMost    = 5000 // a longer gap is answered by resync
	callEntries = 4000 // entries read in one call, but for a sync of its own that needs more
)

// Log is where the entries and the rights to them are.
type Log interface {
	// Places returns where users stand in rooms; a place where nobody ever was is left out.
	Places(ctx context.Context, at []chat.Place) (map[chat.Place]chat.Membership, error)
	// Spans returns the messages of stretches that don't overlap, by room and seq.
	Spans(ctx context.Context, spans []chat.Span) ([]chat.Message, error)
}

// Answer answers the first n of some syncs (Points, User, Ref), n ≥ 1: say hands each frame to the client of a command, in
// order. A room that its user may not see is an error of that room alone. With an error nothing was said.
func Answer(ctx context.Context, l Log, cmds []*envelope.Command, say func(c *envelope.Command, frame []byte)) (n int, err error) {
	var at []chat.Place
	for _, c := range cmds {
		for _, p := range c.Points {
			at = append(at, chat.Place{Room: p.Room, User: c.User})
		}
	}
	places, err := l.Places(ctx, at)
	if err != nil {
		return len(cmds), err
	}
	var gaps []gap
	var spans []chat.Span
	for entries := 0; n < len(cmds); n++ {
		mine, lacks := gapsOf(cmds[n], places)
		if entries += spanned(lacks); entries > callEntries && n > 0 {
			break
		}
		gaps, spans = append(gaps, mine...), append(spans, lacks...)
	}
	log, err := read(ctx, l, spans)
	if err != nil {
		return n, err
	}
	for _, g := range gaps {
		g.close(log[g.room], func(frame []byte) { say(g.cmd, frame) })
	}
	return n, nil
}

// gap is one room of one sync: what its client lacks.
type gap struct {
	cmd      *envelope.Command
	room     chat.RoomID
	have     chat.Seq // as the client says
	epoch    uint64
	seen     bool     // the user may see it
	whole    bool     // its view can be made whole
	from, to chat.Seq // what it is told; from > to: nothing
	last     chat.Seq // of what it may see
}

// gapsOf judges the rooms of one sync, and lists what has to be read for them.
func gapsOf(c *envelope.Command, places map[chat.Place]chat.Membership) (gaps []gap, lacks []chat.Span) {
	for _, p := range c.Points {
		m := places[chat.Place{Room: p.Room, User: c.User}]
		g := gap{cmd: c, room: p.Room, have: p.Seq, epoch: m.Room.Epoch}
		g.from, g.last, g.seen = m.Member.Window(m.Room.LastSeq)
		g.from = max(p.Seq+1, g.from)
		missing := int64(g.last) - int64(g.from) + 1
		g.whole = (p.Epoch == 0 || p.Epoch == g.epoch) && p.Seq <= m.Room.LastSeq && missing <= roomMost
		g.to = min(g.last, g.from+roomEntries-1)
		gaps = append(gaps, g)
		if g.seen && g.whole && g.from <= g.to {
			lacks = append(lacks, chat.Span{Room: p.Room, From: g.from, To: g.to})
		}
	}
	return gaps, lacks
}

func spanned(spans []chat.Span) (entries int) {
	for _, s := range spans {
		entries += int(s.To-s.From) + 1
	}
	return entries
}

// close says what the client lacks, and how far it is then.
func (g *gap) close(log stretch, say func(frame []byte)) {
	switch {
	case !g.seen:
		ref := protocol.ErrorRef{Ref: Ref(g.cmd), Room: g.room}
		say(protocol.AppendError(nil, chat.E(chat.NotFound, "room %d isn't there", g.room), ref))
		return
	case !g.whole:
		say(protocol.AppendResync(nil, g.room, g.epoch, g.cmd.Ref))
		return
	}
	s := protocol.Synced{Room: g.room, Epoch: g.epoch, From: g.from, To: max(g.have, g.last), LastSeq: g.last, Ref: g.cmd.Ref}
	if g.from <= g.to {
		first, end := log.between(g.from, g.to)
		if faults.Planted("partial_recovery") && end-first > 3 {
			end = first + (end-first)/2
		}
		for i := first; i < end; i++ {
			if log.frames[i] == nil {
				log.frames[i] = protocol.AppendMessage(nil, log.ms[i])
			}
			say(log.frames[i])
		}
		if end > first {
			s.To = log.ms[end-1].Seq
		}
		if faults.Planted("partial_recovery") {
			s.To = g.last
		}
		s.More = s.To < g.last
	}
	say(protocol.AppendSynced(nil, s))
}

// Ref is what frames about a sync refer to.
func Ref(c *envelope.Command) string {
	if c.Ref != "" {
		return c.Ref
	}
	return "sync"
}

// stretch is what was read of a room's log, by seq, and its frames as far as they were needed.
type stretch struct {
	ms     []chat.Message
	frames [][]byte
}

// read reads spans, of which many may be of one room and overlap.
func read(ctx context.Context, l Log, spans []chat.Span) (map[chat.RoomID]stretch, error) {
	ms, err := l.Spans(ctx, merged(spans))
	if err != nil {
		return nil, err
	}
	log := map[chat.RoomID]stretch{}
	for len(ms) > 0 {
		n := slices.IndexFunc(ms, func(m chat.Message) bool { return m.Room != ms[0].Room })
		if n < 0 {
			n = len(ms)
		}
		log[ms[0].Room] = stretch{ms[:n], make([][]byte, n)}
		ms = ms[n:]
	}
	return log, nil
}

// merged joins spans that overlap or touch.
func merged(spans []chat.Span) (apart []chat.Span) {
	slices.SortFunc(spans, func(a, b chat.Span) int {
		return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.From, b.From))
	})
	for _, s := range spans {
		if l := len(apart) - 1; l >= 0 && apart[l].Room == s.Room && s.From <= apart[l].To+1 {
			apart[l].To = max(apart[l].To, s.To)
		} else {
			apart = append(apart, s)
		}
	}
	return apart
}

// between finds where the entries from … to are.
func (s stretch) between(from, to chat.Seq) (first, end int) {
	bySeq := func(m chat.Message, q chat.Seq) int { return cmp.Compare(m.Seq, q) }
	first, _ = slices.BinarySearchFunc(s.ms, from, bySeq)
	end, _ = slices.BinarySearchFunc(s.ms, to+1, bySeq)
	return first, end
}
