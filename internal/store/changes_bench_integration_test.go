//go:build integration

package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/storetest"
)

// measured runs fn until the benchmark ends and reports its median and its 99th percentile.
func measured(b *testing.B, fn func()) {
	b.Helper()
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		fn()
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// hall is a room with messages of one user.
type hall struct {
	b    *testing.B
	d    *store.Store
	room chat.RoomID
	user chat.UserID
	n    int
}

func newHall(b *testing.B, env string, messages int) *hall {
	b.Helper()
	h := &hall{b: b, d: storetest.OpenOn(b, env, nil)}
	h.user = makeUser(b, h.d)
	h.room = makeRoom(b, h.d, h.user).Room.ID
	for h.n < messages {
		h.send(min(256, messages-h.n))
	}
	return h
}

func (h *hall) send(n int) {
	batch := make([]chat.Send, n)
	for i := range batch {
		h.n++
		batch[i] = chat.Send{Room: h.room, Sender: h.user, Session: "s", ClientMsgID: fmt.Sprintf("m-%d", h.n), Content: strings.Repeat("x", 100)}
	}
	sent, _, err := h.d.Messages.Append(h.b.Context(), batch, time.Now())
	if err != nil || sent[0].Err != nil {
		h.b.Fatal(err, sent)
	}
}

// change applies a change to each of n messages from seq on.
func (h *hall) change(seq chat.Seq, n int, c chat.Change) {
	batch := make([]chat.Change, n)
	for i := range batch {
		h.n++
		c.Room, c.Seq, c.User, c.Session, c.ID = h.room, seq+chat.Seq(i), h.user, "s", fmt.Sprintf("c-%d", h.n)
		if c.Kind == chat.ChangeEdit {
			text := fmt.Sprintf("%d %s", h.n, strings.Repeat("y", 95))
			c.Content = &text
		}
		batch[i] = c
	}
	done, _, err := h.d.Changes.Apply(h.b.Context(), batch, time.Now())
	if err != nil || done[0].Err != nil || done[n-1].NoOp {
		h.b.Fatal(err, done)
	}
}

// BenchmarkChange commits batches of 64 changes of 64 messages in one room, in turn with batches of 64 sends: whatever else the machine
// does slows both. The ratio is that of their medians.
func BenchmarkChange(b *testing.B) {
	edit := chat.Change{Kind: chat.ChangeEdit}
	on := false
	for _, env := range servers {
		const all = 40_000
		h, next := newHall(b, env, all), 0
		for _, c := range []struct {
			name   string
			change func()
		}{
			{"edits", func() { // of messages that nobody has edited yet
				if next += 64; next > all {
					b.Fatal("no message is left to edit: ask for fewer rounds")
				}
				h.change(2+chat.Seq(next-64), 64, edit)
			}},
			{"edits of the same", func() { h.change(2, 64, edit) }},
			{"reactions", func() {
				on = !on
				h.change(200, 64, chat.Change{Kind: chat.ChangeReaction, Key: "👍", On: on})
			}},
		} {
			b.Run(label(env)+"/"+c.name, func(b *testing.B) {
				h.b = b
				var sends, changes []time.Duration
				for b.Loop() {
					began := time.Now()
					h.send(64)
					between := time.Now()
					c.change()
					sends, changes = append(sends, between.Sub(began)), append(changes, time.Since(between))
				}
				slices.Sort(sends)
				slices.Sort(changes)
				half := len(sends) / 2
				b.ReportMetric(float64(sends[half].Microseconds())/1000, "send-p50-ms")
				b.ReportMetric(float64(changes[half].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(changes[half])/float64(sends[half]), "ratio")
			})
		}
	}
}

// BenchmarkChangedSince reads what has changed of 900 messages, and finds that more than 5,000 of 20,000 have.
func BenchmarkChangedSince(b *testing.B) {
	for _, env := range servers {
		h := newHall(b, env, 20_100)
		for seq := chat.Seq(2); seq < 20_000; seq += 256 {
			h.change(seq, 256, chat.Change{Kind: chat.ChangeEdit})
		}
		last := h.changes()
		for _, c := range []struct {
			name   string
			since  chat.ChangeSeq
			resync bool
		}{{"900", last - 900, false}, {"5000", last - 5000, false}, {"20000", 0, true}} {
			b.Run(label(env)+"/"+c.name, func(b *testing.B) {
				measured(b, func() {
					p, err := h.d.Changes.ChangedSince(b.Context(), chat.ChangesQuery{Room: h.room, Since: c.since, From: 1, Limit: 1000, Most: 5000})
					if err != nil || p.Resync != c.resync || !c.resync && len(p.Messages) != min(1000, int(last-c.since)) {
						b.Fatal(err, len(p.Messages), p.Resync)
					}
				})
			})
		}
	}
}

func (h *hall) changes() chat.ChangeSeq {
	rs, err := h.d.Messages.Rooms(h.b.Context(), []chat.RoomID{h.room})
	if err != nil {
		h.b.Fatal(err)
	}
	return rs[0].Changes
}
