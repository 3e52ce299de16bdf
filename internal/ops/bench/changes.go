package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sync/errgroup"

	"chat-service/internal/ops/bench/latency"
)

const (
	besideRate  = 200                    // messages per second of the other rooms in S10
	reactEvery  = 100 * time.Millisecond // by each of S10's members
	reactTick   = 2 * time.Millisecond   // between looks at who is to
	awayChanges = 900                    // S11: changed messages that a client has missed
	returning   = 100                    // S11: clients
	resyncAfter = 5000                   // changed messages, above which the server has a client begin anew
)

// reactions is S10: what a thousand people who react to one message cost the rooms of l beside theirs.
func (b *bench) reactions(ctx context.Context, l load) (Row, error) {
	all := Row{Values: map[string]float64{}, Audit: &Tally{}}
	l.rate, l.even = besideRate, true
	row, err := b.traffic(ctx, l)
	if err != nil {
		return all, err
	}
	all.absorb(row, "quiet_")
	n := b.plan.Reactors
	r, err := b.newReactors(ctx, layout{name: fmt.Sprint("react", n), pool: "fanout", users: n, rooms: 1, members: n})
	if err != nil {
		return all, err
	}
	defer r.close()
	l.beside = r.react
	if row, err = b.traffic(ctx, l); err != nil {
		return all, err
	}
	all.absorb(row, "busy_")
	all.Values["reactions_per_s"] = float64(r.answered.Load()-r.refused.Load()) / max(r.took.Seconds(), 1e-9)
	all.Values["reactions_refused_per_s"] = float64(r.refused.Load()) / max(r.took.Seconds(), 1e-9)
	all.Values["change_frames_per_s"] = float64(r.heard.Load()) / max(r.took.Seconds(), 1e-9)
	all.Values["busy_over_quiet"] = all.Values["busy_ack_p99_ms"] / max(all.Values["quiet_ack_p99_ms"], 1e-9)
	return all, r.check(ctx)
}

// reactors are the members of a room who react to one message in it.
type reactors struct {
	b       *bench
	room    uint64
	seq     uint64
	token   string // of one of them
	sockets []*socket
	readers sync.WaitGroup
	took    time.Duration

	asked, answered, heard, refused atomic.Int64
	on                              atomic.Int64 // how many of the answered reactions stand
}

func (b *bench) newReactors(ctx context.Context, l layout) (*reactors, error) {
	rooms, err := b.accounts.rooms(ctx, l)
	if err != nil {
		return nil, err
	}
	tokens, err := b.accounts.logins(ctx, l.pool, upTo(l.members))
	if err != nil {
		return nil, err
	}
	r := &reactors{b: b, room: rooms[0], token: tokens[0], sockets: make([]*socket, len(tokens))}
	if r.seq, err = b.say1(ctx, r.room, tokens[0]); err != nil {
		return nil, err
	}
	d := newDialer(b.sys.Gateways, smallBuffer)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(b.plan.Dialers)
	for i, token := range tokens {
		g.Go(func() (err error) {
			r.sockets[i], _, err = d.dial(gctx, token)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		r.close()
		return nil, err
	}
	for _, s := range r.sockets {
		r.readers.Go(func() { r.read(s) })
	}
	return r, nil
}

// say1 posts a message and returns its seq.
func (b *bench) say1(ctx context.Context, room uint64, token string) (uint64, error) {
	var m stored
	err := b.api.call(ctx, "POST", fmt.Sprintf("/rooms/%d/messages", room), token, map[string]string{"content": text(b.plan.Payload)}, &m)
	return m.Seq, err
}

// react has everybody react and take it back in turn until ctx ends, one after the other, evenly over the time. One goroutine does it: a
// thousand that each wait for a time of their own cost more than what they write. What it is late with it makes up for.
func (r *reactors) react(ctx context.Context, g *sync.WaitGroup) {
	var frames [2][]byte
	for n := range frames {
		frames[n] = fmt.Appendf(nil, `{"type":"react","room_id":%d,"seq":%d,"key":"+","on":%v,"ref":"%d"}`, r.room, r.seq, n == 0, n)
	}
	g.Go(func() {
		begin := time.Now()
		for n := 0; sleep(ctx, reactTick); {
			for due := int(time.Since(begin) * time.Duration(len(r.sockets)) / reactEvery); n < due; n++ {
				r.asked.Add(1) // what can't be written has no answer
				_ = r.sockets[n%len(r.sockets)].write(ws.OpText, frames[n/len(r.sockets)%2])
			}
		}
		r.took = time.Since(begin)
	})
}

func (r *reactors) read(s *socket) {
	for {
		p, err := s.read()
		if err != nil {
			return
		}
		switch string(textAfter(p, `"type":"`)) {
		case "done":
			ref, _ := strconv.ParseInt(string(textAfter(p, `"ref":"`)), 10, 64) // 0: set, 1: taken back
			r.on.Add(1 - 2*ref)
			r.answered.Add(1)
		case "change":
			r.heard.Add(1)
		case "error":
			r.refused.Add(1)
			r.answered.Add(1)
		}
	}
}

// check waits until all is answered, and compares the reactions that stand with the answers.
func (r *reactors) check(ctx context.Context) error {
	for end := time.Now().Add(r.b.patience); r.answered.Load() < r.asked.Load() && time.Now().Before(end); {
		if !sleep(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
	if asked, answered := r.asked.Load(), r.answered.Load(); answered < asked {
		return fmt.Errorf("%d of %d reactions were not answered", asked-answered, asked)
	}
	var m struct{ Reactions []struct{ Count int64 } }
	if err := r.b.api.call(ctx, "GET", fmt.Sprintf("/rooms/%d/messages/%d", r.room, r.seq), r.token, nil, &m); err != nil {
		return err
	}
	stand := int64(0)
	for _, one := range m.Reactions {
		stand += one.Count
	}
	if want := r.on.Load(); r.refused.Load() == 0 && stand != want {
		return fmt.Errorf("%d reactions stand, by the answers it must be %d", stand, want)
	}
	return nil
}

func (r *reactors) close() {
	for _, s := range r.sockets {
		if s != nil {
			s.close()
		}
	}
	r.readers.Wait()
}

// comeBack is S11: clients that have missed 900 changes, one after the other and all at once, and such that have missed too many.
func (b *bench) comeBack(ctx context.Context) (Row, error) {
	away, since, err := b.edited(ctx, "away", awayChanges, true)
	if err != nil {
		return Row{}, err
	}
	far, _, err := b.edited(ctx, "far", b.plan.Changes, false)
	if err != nil {
		return Row{}, err
	}
	tokens, err := b.accounts.logins(ctx, "changes", upTo(returning))
	if err != nil {
		return Row{}, err
	}
	before, err := b.sys.take()
	if err != nil {
		return Row{}, err
	}
	var alone, together, anew latency.Hist
	for i := range tokens {
		err = errors.Join(err, b.catchUp(ctx, tokens[i], away, since, awayChanges, &alone))
	}
	var g errgroup.Group
	for _, token := range tokens {
		g.Go(func() error { return b.catchUp(ctx, token, away, since, awayChanges, &together) })
	}
	err = errors.Join(err, g.Wait())
	for i := range returning {
		err = errors.Join(err, b.catchUp(ctx, tokens[i], far, 0, -1, &anew))
	}
	if err != nil {
		return Row{}, err
	}
	after, err := b.sys.take()
	if err != nil {
		return Row{}, err
	}
	sp, err := after.Since(before)
	if err != nil {
		return Row{}, err
	}
	row := newRow(sp, after)
	for name, h := range map[string]*latency.Hist{"catch_up": &alone, "together": &together, "resync": &anew} {
		row.Values[name+"_p50_ms"], row.Values[name+"_p99_ms"] = ms(h.Quantile(.5)), ms(h.Quantile(.99))
	}
	return row, nil
}

// edited returns a room in which at least n messages were edited, and its change_seq before that. anew: they are edited again.
func (b *bench) edited(ctx context.Context, name string, n int, anew bool) (room, since uint64, err error) {
	rooms, err := b.accounts.rooms(ctx, layout{name: name, pool: "changes", users: returning, rooms: 1, members: returning})
	if err != nil {
		return 0, 0, err
	}
	tokens, err := b.accounts.logins(ctx, "changes", upTo(restClients))
	if err != nil {
		return 0, 0, err
	}
	var is struct {
		ChangeSeq uint64 `json:"change_seq"`
	}
	if err := b.api.call(ctx, "GET", fmt.Sprintf("/rooms/%d", rooms[0]), tokens[0], nil, &is); err != nil || is.ChangeSeq >= uint64(n) && !anew {
		return rooms[0], is.ChangeSeq, err
	}
	b.say("writing and editing %d messages (%s)", n, name)
	g, gctx := errgroup.WithContext(ctx)
	for k, token := range tokens {
		g.Go(func() error {
			for i := k; i < n; i += len(tokens) {
				seq, err := b.say1(gctx, rooms[0], token)
				if err == nil {
					path := fmt.Sprintf("/rooms/%d/messages/%d", rooms[0], seq)
					err = b.api.call(gctx, "PATCH", path, token, map[string]string{"content": "edited " + strconv.Itoa(i)}, nil)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return rooms[0], is.ChangeSeq, g.Wait()
}

// catchUp connects as a client that has all messages of a room and its changes up to since, and measures from its question to the end of
// the answer: as many changes as are wanted, or (-1) the word that it must begin anew.
func (b *bench) catchUp(ctx context.Context, token string, room, since uint64, want int, h *latency.Hist) error {
	s, w, err := newDialer(b.sys.Gateways, busyBuffer).dial(ctx, token)
	if err != nil {
		return err
	}
	defer s.close()
	for _, r := range w.Rooms {
		if r.ID != room {
			continue
		}
		begin := time.Now()
		f, _ := json.Marshal(map[string]any{"type": "sync", "rooms": map[uint64]any{room: map[string]uint64{
			"seq": r.LastSeq, "epoch": r.Epoch, "changes": since, "from_seq": 1,
		}}})
		if err := s.write(ws.OpText, f); err != nil {
			return err
		}
		_ = s.nc.SetReadDeadline(begin.Add(b.patience))
		for got := 0; ; {
			p, err := s.read()
			if err != nil {
				return fmt.Errorf("catch up with %d changes, %d came: %w", want, got, err)
			}
			switch kind := string(textAfter(p, `"type":"`)); {
			case kind == "change":
				got++
			case kind == "synced" && got == want, kind == "resync" && want < 0:
				h.Add(time.Since(begin))
				return nil
			case kind == "synced", kind == "resync", kind == "error":
				return fmt.Errorf("catch up with %d changes, %d came: %s", want, got, p)
			}
		}
	}
	return fmt.Errorf("room %d is not in the welcome", room)
}
