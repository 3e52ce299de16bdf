package catchup

import (
	"cmp"
	"context"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

const (
	roomEntries = 1000      // entries per room in one sync
	maxGap      = 5000      // a longer gap is answered by resync
	syncBytes   = 240 << 10 // of frames in one sync: less than the queue of a socket takes (256 KiB unless set)
	frameBytes  = 32        // that a queued frame counts there, beside its own
	callEntries = 4000      // entries read in one call, and so in one sync
	callBytes   = 16 << 20  // contents read, and frames sent, in one call
)

// Answer answers the first n of some syncs (Points, User, Ref), n ≥ 1: send hands each frame to the client of a command, in order. A
// room that its user may not see is an error of that room alone. What is too much for one answer is left for the client's next sync:
// `synced` says how far it got. With an error nothing was sent.
func Answer(ctx context.Context, l Log, b Bounds, cmds []*envelope.Command, send func(*envelope.Command, Frame)) (n int, err error) {
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
	syncs := plan(cmds, places)
	log, err := read(ctx, l, syncs)
	if err == nil && !log.whole && len(syncs) > 1 {
		syncs = syncs[:1]
		log, err = read(ctx, l, syncs)
	}
	if err != nil {
		return len(syncs), err
	}
	sent, told := 0, changes{l: l, b: b, read: map[chat.ChangesQuery]*chapter{}}
	for _, a := range syncs {
		if sent > callBytes {
			break
		}
		if err := told.of(ctx, a.gaps); err != nil {
			return max(n, 1), unlessSome(n, err)
		}
		left := syncBytes
		for _, g := range a.gaps {
			g.answer(log, &left, func(f Frame) {
				f.Room, f.Epoch = g.room, g.epoch
				send(a.cmd, f)
			})
		}
		sent += syncBytes - left
		n++
	}
	return n, nil
}

// planned is one sync: its rooms, and what has to be read for them.
type planned struct {
	cmd   *envelope.Command
	gaps  []gap
	lacks []chat.Span
}

// plan judges the first of some syncs, as many as fit into one call.
func plan(cmds []*envelope.Command, places map[chat.Place]chat.Membership) (syncs []planned) {
	entries := 0
	for _, c := range cmds {
		a := planned{cmd: c}
		mine := 0
		for _, p := range c.Points {
			g := gapOf(c, p, places[chat.Place{Room: p.Room, User: c.User}], callEntries-mine)
			a.gaps = append(a.gaps, g)
			if g.seen && g.whole && g.from <= g.to {
				a.lacks = append(a.lacks, chat.Span{Room: p.Room, From: g.from, To: g.to})
				mine += int(g.to-g.from) + 1
			}
		}
		if entries += mine; entries > callEntries && len(syncs) > 0 {
			break
		}
		syncs = append(syncs, a)
	}
	return syncs
}

// gap is one room of one sync: what its client lacks.
type gap struct {
	cmd      *envelope.Command
	room     chat.RoomID
	have     chat.Seq // as the client says
	epoch    uint64
	seen     bool     // the user may see it
	whole    bool     // its view can be made whole
	from, to chat.Seq // what it is sent; from > to: nothing
	last     chat.Seq // of what it may see

	cursor  bool              // the client has one of changes
	changed chat.ChangeSeq    // where it is, and at last where it goes
	asks    chat.ChangesQuery // what may have changed of what the client has; Room 0: nothing
	told    *chapter          // the answer to that; nil: not read
	upTo    chat.ChangeSeq    // of the room, when the entries had not been read yet
}

// gapOf judges a room of a sync that may have limit entries more.
func gapOf(c *envelope.Command, p envelope.Point, m chat.Membership, limit int) gap {
	g := gap{cmd: c, room: p.Room, have: p.Seq, epoch: m.Room.Epoch}
	g.from, g.last, g.seen = m.Member.Window(m.Room.LastSeq)
	g.from = max(p.Seq+1, g.from)
	missing := int64(g.last) - int64(g.from) + 1
	g.whole = (p.Epoch == 0 || p.Epoch == g.epoch) && p.Seq <= m.Room.LastSeq && missing <= maxGap
	g.to = min(g.last, g.from+chat.Seq(min(roomEntries, limit))-1)
	if p.HasChanges {
		g.ask(p, m)
	}
	return g
}

// Frame is a frame of a room's answer.
type Frame struct {
	Text  []byte
	Room  chat.RoomID
	Epoch uint64 // of the room, as it was read
	// UpTo: with it the client has all entries up to there; 0: nothing is said of that. It is said where a message or its change is shown
	// in another form than as sent: the first form may still be on its way to the socket, and must not come after that.
	UpTo chat.Seq
	// Shows is the message whose text is in it, as it was read: the recall of that may have come to the socket meanwhile. 0: none.
	Shows chat.Seq
}

type sender func(Frame)

// answer sends what the client lacks, as far as left bytes go, and how far it is then.
func (g *gap) answer(log record, left *int, send sender) {
	switch {
	case !g.seen:
		ref := protocol.ErrorRef{Ref: Ref(g.cmd), Room: g.room}
		send(Frame{Text: protocol.AppendError(nil, chat.E(chat.NotFound, "there is no room %d", g.room), ref)})
		return
	case !g.whole || g.told != nil && g.told.page.Resync:
		send(Frame{Text: protocol.AppendResync(nil, g.room, g.epoch, g.cmd.Ref)})
		return
	}
	s := protocol.Synced{Room: g.room, Epoch: g.epoch, From: g.from, To: max(g.have, g.last), LastSeq: g.last, Ref: g.cmd.Ref}
	if g.from <= g.last {
		s.To = g.entries(log, left, send)
		s.More = s.To < g.last
	}
	if g.cursor {
		g.changes(&s, left, send)
	}
	send(Frame{Text: protocol.AppendSynced(nil, s), UpTo: s.To})
}

// entries sends entries and returns the last that the client then has.
func (g *gap) entries(log record, left *int, send sender) chat.Seq {
	room := log.rooms[g.room]
	first, end := room.between(g.from, g.to)
	if sendHalf(room.ms[first:end], send) {
		return g.last
	}
	at := g.from - 1
	for i := first; i < end; i++ {
		if *left <= 0 {
			return at
		}
		if room.frames[i] == nil {
			room.frames[i] = protocol.AppendMessage(nil, room.ms[i])
		}
		*left -= len(room.frames[i]) + frameBytes
		at = room.ms[i].Seq
		f := Frame{Text: room.frames[i], Shows: at}
		if room.ms[i].State != nil {
			f.UpTo = at
		}
		send(f)
	}
	if log.whole {
		return max(at, g.to) // there is nothing else up to there
	}
	return at
}

// Ref is what frames about a sync refer to.
func Ref(c *envelope.Command) string {
	if c.Ref != "" {
		return c.Ref
	}
	return "sync"
}

// record is what was read: whole, or the beginning of what was asked for.
type record struct {
	rooms map[chat.RoomID]stretch
	whole bool
}

// stretch is what was read of a room's log, by seq, and its frames as far as they were needed.
type stretch struct {
	ms     []chat.Message
	frames [][]byte
}

// read reads what some syncs lack: much of it may be the same.
func read(ctx context.Context, l Log, syncs []planned) (record, error) {
	var spans []chat.Span
	for _, a := range syncs {
		spans = append(spans, a.lacks...)
	}
	ms, whole, err := l.Spans(ctx, merged(spans), callBytes)
	if err != nil {
		return record{}, err
	}
	log := record{rooms: map[chat.RoomID]stretch{}, whole: whole}
	for len(ms) > 0 {
		n := slices.IndexFunc(ms, func(m chat.Message) bool { return m.Room != ms[0].Room })
		if n < 0 {
			n = len(ms)
		}
		log.rooms[ms[0].Room] = stretch{ms[:n], make([][]byte, n)}
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
