//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/history"
)

const partitions = 16

// prober has one message at a time under way in every partition, and one by REST, and notes how long each takes to be
// acknowledged and to reach the other side.
type prober struct {
	w      *world
	a, b   *person
	lanes  []*probeLane
	urgent atomic.Bool // after a fault: the next probe follows at once

	mu      sync.Mutex
	samples []sample
}

// probeLane is a room of one partition.
type probeLane struct {
	name   string
	room   uint64
	from   *person // nil: by REST
	token  string
	busy   bool
	began  time.Time
	ended  time.Time
	target uint64
	posted atomic.Bool
}

// sample is one probe that was fully served.
type sample struct {
	lane        int
	began, done time.Time
}

func newProber(w *world) *prober {
	us := w.users(2)
	p := &prober{w: w}
	byPartition := map[int]uint64{}
	spare := uint64(0)
	for len(byPartition) < partitions || spare == 0 {
		id := w.api.CreateRoom(w.t, us[0], us[1])
		part := chat.RoomID(id).Partition(partitions)
		if _, have := byPartition[part]; have {
			spare = id
		} else {
			byPartition[part] = id
		}
	}
	quick := func(o *testkit.ChatterOptions) {
		o.Resend, o.Backoff, o.All = 500*time.Millisecond, 50*time.Millisecond, true
	}
	p.a, p.b = w.enter("probe-a", us[0], quick), w.enter("probe-b", us[1], quick)
	for part := range partitions {
		from := p.a
		if part%2 == 1 {
			from = p.b
		}
		p.lanes = append(p.lanes, &probeLane{name: fmt.Sprintf("partition %d", part), room: byPartition[part], from: from})
	}
	p.lanes = append(p.lanes, &probeLane{name: "REST", room: spare, token: us[0].Token})
	return p
}

func (p *prober) run(ctx context.Context) {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	var posts sync.WaitGroup
	defer posts.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for i, l := range p.lanes {
			p.turn(ctx, i, l, &posts)
		}
	}
}

func (p *prober) turn(ctx context.Context, i int, l *probeLane, posts *sync.WaitGroup) {
	now := time.Now()
	have := min(p.a.c.Have(l.room), p.b.c.Have(l.room))
	switch {
	case l.busy && have >= l.target && (l.from != nil || l.posted.Load()):
		p.mu.Lock()
		p.samples = append(p.samples, sample{i, l.began, now})
		p.mu.Unlock()
		l.busy, l.ended = false, now
	case l.busy || have == 0:
	case now.Sub(l.ended) < time.Second && !p.urgent.Load(), now.Sub(l.ended) < 100*time.Millisecond:
	default:
		l.busy, l.began, l.target = true, now, max(l.target, have)+1
		if l.from != nil {
			l.from.c.Send(l.room, "probe")
			return
		}
		l.posted.Store(false)
		id := fmt.Sprintf("probe.%d", l.target)
		p.w.h.Add(history.Event{Kind: history.Sent, Client: "probe-rest", User: p.a.ID, Room: l.room, ID: id, Content: "probe", Number: l.target})
		posts.Go(func() {
			p.w.post(ctx, "probe-rest", p.a.User, l.room, id, "probe")
			l.posted.Store(true)
		})
	}
}

// post sends a message by REST until it is answered for good.
func (w *world) post(ctx context.Context, client string, u testkit.User, room uint64, id, content string) (seq uint64) {
	for ctx.Err() == nil {
		rctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		r, err := w.api.Call(rctx, http.MethodPost, fmt.Sprintf("/rooms/%d/messages", room), u.Token, obj{"content": content, "client_msg_id": id})
		cancel()
		e := history.Event{Client: client, User: u.ID, Room: room, ID: id}
		switch {
		case err == nil && (r.Status == http.StatusCreated || r.Status == http.StatusOK):
			e.Kind, e.Seq, e.Duplicate = history.Acked, r.Body.Num("seq"), r.Status == http.StatusOK
			w.h.Add(e)
			return e.Seq
		case err == nil && r.Status < 500 && r.Status != http.StatusTooManyRequests:
			e.Kind, e.Word = history.Nacked, r.Body.Str("code")
			w.h.Add(e)
			return 0
		}
		pause(ctx, 100*time.Millisecond)
	}
	return 0
}

// recovered tells how long after since every lane had served a probe that began after since; until then, which lane is
// the first that has not.
func (p *prober) recovered(since time.Time) (d time.Duration, missing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := make([]time.Time, len(p.lanes))
	for i := len(p.samples) - 1; i >= 0 && p.samples[i].done.After(since); i-- {
		if s := p.samples[i]; !s.began.Before(since) {
			done[s.lane] = s.done
		}
	}
	for i, at := range done {
		if at.IsZero() {
			return 0, p.lanes[i].name
		}
		d = max(d, at.Sub(since))
	}
	return d, ""
}

// await waits until service is whole again after since.
func (p *prober) await(since time.Time, within time.Duration) (d time.Duration, missing string) {
	p.urgent.Store(true)
	defer p.urgent.Store(false)
	for end := time.Now().Add(within); ; {
		if d, missing = p.recovered(since); missing == "" || time.Now().After(end) {
			return d, missing
		}
		pause(p.w.t.Context(), 5*time.Millisecond)
	}
}
