package catchup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// changes is a room's last change.
func (l *library) changes(room chat.RoomID) (last chat.ChangeSeq) {
	for _, n := range l.changed[room] {
		last = max(last, n)
	}
	return last
}

func (l *library) ChangedSince(_ context.Context, q chat.ChangesQuery) (p chat.ChangesPage, err error) {
	l.asked = append(l.asked, q)
	p.Covered = l.changes(q.Room)
	if n := len(slices.DeleteFunc(slices.Collect(maps.Values(l.changed[q.Room])), func(n chat.ChangeSeq) bool { return n <= q.Since })); n > q.Most {
		return chat.ChangesPage{Resync: true}, l.down
	}
	for seq, n := range l.changed[q.Room] {
		if n > q.Since && seq >= q.From && seq <= q.To {
			p.Messages = append(p.Messages, chat.Message{
				Room: q.Room, Seq: seq, Kind: chat.Text, Sender: 1, Content: "x" + strings.Repeat("y", l.size), State: &chat.State{ChangeSeq: n, Version: 2},
			})
		}
	}
	slices.SortFunc(p.Messages, func(a, b chat.Message) int { return cmp.Compare(a.State.ChangeSeq, b.State.ChangeSeq) })
	if p.More = len(p.Messages) > q.Limit; p.More {
		p.Messages = p.Messages[:q.Limit]
		p.Covered = p.Messages[q.Limit-1].State.ChangeSeq
	}
	return p, l.down
}

// cursor is a client that keeps up with changes.
func cursor(room chat.RoomID, seq chat.Seq, at chat.ChangeSeq) envelope.Point {
	return envelope.Point{Room: room, Seq: seq, Changes: at, HasChanges: true}
}

func TestChanges(t *testing.T) {
	l := &library{
		last: map[chat.RoomID]chat.Seq{1: 9},
		places: map[chat.Place]chat.Member{
			{Room: 1, User: 5}: {}, {Room: 1, User: 6}: {VisibleFrom: 4}, {Room: 1, User: 7}: {LeftSeq: 8},
		},
		changed: map[chat.RoomID]map[chat.Seq]chat.ChangeSeq{1: {2: 3, 5: 2, 6: 7, 9: 6}}, // 1, 4 and 5 were of messages that changed again
	}
	limited := cursor(1, 9, 0)
	limited.From = 6
	h, calls := all(t, l, []*envelope.Command{
		ask(1, 5, cursor(1, 9, 0)),
		ask(2, 5, cursor(1, 9, 0)),                 // the same
		ask(3, 5, cursor(1, 8, 2)),                 // 9 comes as a message, in its latest form
		ask(4, 5, cursor(1, 9, 7)),                 // nothing new
		ask(5, 5, cursor(1, 9, 8)),                 // of another life
		ask(6, 6, cursor(1, 9, 0)),                 // not what was before
		ask(7, 7, cursor(1, 8, 0)),                 // who left
		ask(8, 5, limited),                         // only from there on
		ask(9, 5, envelope.Point{Room: 1, Seq: 9}), // of the first edition
		ask(10, 5, cursor(1, 0, 0)),                // has nothing
	})
	whole := []string{"m1.1", "m1.2", "m1.3", "m1.4", "m1.5", "m1.6", "m1.7", "m1.8", "m1.9", "s1.9 c7"}
	want := got{
		1: {"c0-2:5", "c2-3:2", "c3-6:9", "c6-7:6", "s1.9 c7"}, 2: {"c0-2:5", "c2-3:2", "c3-6:9", "c6-7:6", "s1.9 c7"},
		3: {"m1.9", "c2-3:2", "c3-7:6", "s1.9 c7"}, 4: {"s1.9 c7"}, 5: {"r1"}, 6: {"c0-2:5", "c2-6:9", "c6-7:6", "s1.9 c7"},
		7: {"s1.8 c0"}, 8: {"c0-6:9", "c6-7:6", "s1.9 c7"}, 9: {"s1.9"}, 10: whole,
	}
	if diff := gocmp.Diff(want, h); diff != "" || calls != 1 {
		t.Errorf("in %d calls: %s", calls, diff)
	}
	if len(l.asked) != 4 {
		t.Errorf("asked %d times, want 4: what is the same is read once", len(l.asked))
	}
}

// TestChangesBounds: an answer has so many changed messages of a room, and so many bytes; whoever goes on asking gets all of them.
func TestChangesBounds(t *testing.T) {
	for size, asks := range map[int]int{0: 4, 100_000: 12} {
		l := &library{
			last: map[chat.RoomID]chat.Seq{1: 100}, places: map[chat.Place]chat.Member{{Room: 1, User: 5}: {}},
			changed: map[chat.RoomID]map[chat.Seq]chat.ChangeSeq{1: {}}, size: size,
		}
		for n := chat.ChangeSeq(1); n <= 35; n++ {
			l.changed[1][chat.Seq(101-n)] = 2 * n
		}
		at, n := chat.ChangeSeq(0), 0
		for more := true; more; n++ {
			h, _ := all(t, l, []*envelope.Command{ask(1, 5, cursor(1, 100, at))})
			for i := range h[1][:len(h[1])-1] {
				if at += 2; h[1][i] != "c"+num(at-2)+"-"+num(at)+":"+num(101-at/2) {
					t.Fatalf("%s, want change %d next", h[1][i], at)
				}
			}
			end := h[1][len(h[1])-1]
			if more = strings.HasSuffix(end, "+"); strings.TrimSuffix(end, "+") != "s1.100 c"+num(at) {
				t.Fatalf("%s after %d", end, at)
			}
		}
		if n != asks || at != 70 {
			t.Errorf("contents of %d bytes: %d syncs up to %d, want %d up to 70", size, n, at, asks)
		}
	}
	l := &library{
		last: map[chat.RoomID]chat.Seq{1: 100}, places: map[chat.Place]chat.Member{{Room: 1, User: 5}: {}},
		changed: map[chat.RoomID]map[chat.Seq]chat.ChangeSeq{1: {}},
	}
	for n := chat.Seq(1); n <= 51; n++ {
		l.changed[1][n] = chat.ChangeSeq(n)
	}
	h, _ := all(t, l, []*envelope.Command{ask(1, 5, cursor(1, 99, 0)), ask(2, 5, cursor(1, 100, 1))})
	if h[1][0] != "r1" || len(h[1]) != 1 || h[2][len(h[2])-1] != "s1.100 c11+" {
		t.Errorf("51 changed messages: %v; 50: %v", h[1], h[2])
	}
}

func num(n chat.ChangeSeq) string { return chat.Seq(n).String() }

// TestCursorStaysBelowUnreadEntries: what changes while an answer is read must not be covered by its cursor, because entries that were
// read before may be among it. A message that the client has is shown as it is then all the same, or what was changed before would be lost:
// the live frame of a change shows only what it changed.
func TestCursorStaysBelowUnreadEntries(t *testing.T) {
	l := &library{
		last: map[chat.RoomID]chat.Seq{1: 9}, places: map[chat.Place]chat.Member{{Room: 1, User: 5}: {}},
		changed: map[chat.RoomID]map[chat.Seq]chat.ChangeSeq{1: {2: 1, 3: 2}},
	}
	late := &lateLibrary{l}
	h, _ := all(t, late, []*envelope.Command{ask(1, 5, cursor(1, 8, 0))})
	if diff := gocmp.Diff([]string{"m1.9", "c0-1:2", "c3-4:3", "s1.9 c2"}, h[1]); diff != "" {
		t.Error(diff)
	}
}

// lateLibrary is one where messages 9 and 3 change after the entries were read.
type lateLibrary struct{ *library }

func (l *lateLibrary) Spans(ctx context.Context, spans []chat.Span, bytes int) ([]chat.Message, bool, error) {
	defer func() { l.changed[1][9], l.changed[1][3] = 3, 4 }()
	return l.library.Spans(ctx, spans, bytes)
}

// TestChangesDown: nothing is sent to those whose changes can't be read; those before them are answered.
func TestChangesDown(t *testing.T) {
	l := &library{
		last: map[chat.RoomID]chat.Seq{1: 9}, places: map[chat.Place]chat.Member{{Room: 1, User: 5}: {}},
		changed: map[chat.RoomID]map[chat.Seq]chat.ChangeSeq{1: {2: 1}},
	}
	down := &downLibrary{l, errors.New("down")}
	h := got{}
	n, err := Answer(t.Context(), down, bounds, []*envelope.Command{ask(1, 5, cursor(1, 9, 1)), ask(2, 5, cursor(1, 9, 0))}, h.send)
	if n != 1 || err != nil || len(h[1]) != 1 || len(h[2]) != 0 {
		t.Errorf("answered %d, %v: %v", n, err, h)
	}
	if n, err = Answer(t.Context(), down, bounds, []*envelope.Command{ask(2, 5, cursor(1, 9, 0))}, h.send); n != 1 || !errors.Is(err, down.why) || len(h[2]) != 0 {
		t.Errorf("answered %d, %v: %v", n, err, h)
	}
}

type downLibrary struct {
	*library
	why error
}

func (l *downLibrary) ChangedSince(context.Context, chat.ChangesQuery) (chat.ChangesPage, error) {
	return chat.ChangesPage{}, l.why
}

// TestChangesModel: whoever asks until there is no more knows of every change that they may see, and of no other.
func TestChangesModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := chat.Seq(rapid.IntRange(1, 40).Draw(t, "last"))
		m := chat.Member{VisibleFrom: chat.Seq(rapid.IntRange(0, 40).Draw(t, "from"))}
		l := &library{
			last: map[chat.RoomID]chat.Seq{1: last}, places: map[chat.Place]chat.Member{{Room: 1, User: 5}: m},
			changed: map[chat.RoomID]map[chat.Seq]chat.ChangeSeq{1: {}}, size: rapid.SampledFrom([]int{0, 50_000}).Draw(t, "size"),
		}
		for n := range rapid.IntRange(0, 60).Draw(t, "changes") {
			l.changed[1][chat.Seq(rapid.IntRange(1, int(last)).Draw(t, "seq"))] = chat.ChangeSeq(n + 1)
		}
		have, at := chat.Seq(rapid.IntRange(0, int(last)).Draw(t, "have")), chat.ChangeSeq(0)
		if room := l.changes(1); room > 0 {
			at = chat.ChangeSeq(rapid.IntRange(0, int(room)).Draw(t, "at"))
		}
		knows := map[chat.Seq]chat.ChangeSeq{}
		for seq, n := range l.changed[1] {
			if seq <= have && n <= at {
				knows[seq] = n
			}
		}
		for range 100 {
			h, _ := all(t, l, []*envelope.Command{ask(1, 5, cursor(1, have, at))})
			done := h[1][len(h[1])-1]
			if done == "r1" {
				return
			}
			for _, w := range h[1][:len(h[1])-1] {
				have, at = takes(t, w, knows, l.changed[1], have, at)
			}
			if !strings.Contains(done, "+") {
				break
			}
		}
		for seq, n := range l.changed[1] {
			if seq >= m.VisibleFrom && knows[seq] != n {
				t.Fatalf("message %d: knows of change %d, want %d", seq, knows[seq], n)
			}
			if seq < m.VisibleFrom && seq > have && knows[seq] != 0 {
				t.Fatalf("message %d is not theirs to see", seq)
			}
		}
	})
}

// takes has a client take what it was sent, in short.
func takes(t *rapid.T, w string, knows, states map[chat.Seq]chat.ChangeSeq, have chat.Seq, at chat.ChangeSeq) (chat.Seq, chat.ChangeSeq) {
	var a, b, c int
	switch w[0] {
	case 'm':
		scan(t, w, "m1.%d", &a)
		if n := states[chat.Seq(a)]; n != 0 {
			knows[chat.Seq(a)] = n
		}
		return chat.Seq(a), at
	case 'c':
		scan(t, w, "c%d-%d:%d", &a, &b, &c)
		if chat.ChangeSeq(a) > at || chat.ChangeSeq(b) <= at {
			t.Fatalf("%s at %d", w, at)
		}
		knows[chat.Seq(c)] = chat.ChangeSeq(b)
		return have, chat.ChangeSeq(b)
	}
	t.Fatalf("sent %s", w)
	return 0, 0
}

func scan(t *rapid.T, s, format string, to ...any) {
	if _, err := fmt.Sscanf(s, format, to...); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
}
