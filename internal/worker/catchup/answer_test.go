package catchup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// library is a log in memory: rooms with dense seqs, and who is in them.
type library struct {
	last   map[chat.RoomID]chat.Seq
	places map[chat.Place]chat.Member
	spans  []chat.Span // asked for
	down   error
	size   int // of a content, beside one

	changed map[chat.RoomID]map[chat.Seq]chat.ChangeSeq
	asked   []chat.ChangesQuery
}

// bounds are small ones.
var bounds = Bounds{Changes: 10, Resync: 50}

func (l *library) Places(_ context.Context, at []chat.Place) (map[chat.Place]chat.Membership, error) {
	out := map[chat.Place]chat.Membership{}
	for _, p := range at {
		if m, ok := l.places[p]; ok {
			m.Room, m.User = p.Room, p.User
			out[p] = chat.Membership{Room: chat.Room{ID: p.Room, LastSeq: l.last[p.Room], Epoch: 1, Changes: l.changes(p.Room)}, Member: m}
		}
	}
	return out, l.down
}

func (l *library) Spans(_ context.Context, spans []chat.Span, bytes int) (ms []chat.Message, whole bool, err error) {
	l.spans = append(l.spans, spans...)
	for _, s := range spans {
		for q := s.From; q <= s.To; q++ {
			if bytes <= 0 {
				return ms, false, nil
			}
			content := "x" + strings.Repeat("y", l.size)
			ms = append(ms, chat.Message{Room: s.Room, Seq: q, Kind: chat.Text, Sender: 1, Content: content})
			bytes -= len(content)
		}
	}
	return ms, true, nil
}

// got is what the clients were sent, in short: "m1.5" for an entry, "s1.5" for synced up to it, "+" where there is more, "!" where the
// gateway doesn't get to know that the client has everything up to there, or which message it is.
type got map[chat.SocketID][]string

func (h got) send(c *envelope.Command, a Frame) {
	f := string(a.Text)
	num := func(key string) string {
		_, rest, _ := strings.Cut(f, `"`+key+`":`)
		return rest[:strings.IndexAny(rest, ",}")]
	}
	var short string
	switch {
	case strings.Contains(f, `"type":"change"`):
		_, message, _ := strings.Cut(f, `"message":`)
		short = "c" + num("prev") + "-" + num("change_seq") + ":" + strings.TrimPrefix(message[:strings.Index(message, ",")], `{"seq":`)
		if !strings.HasSuffix(short, ":"+fmt.Sprint(a.Shows)) {
			short += "!"
		}
	case strings.Contains(f, `"type":"message"`):
		short = "m" + num("room_id") + "." + num("seq")
		if strings.Contains(f, `"change_seq":`) && fmt.Sprint(a.UpTo) != num("seq") || fmt.Sprint(a.Shows) != num("seq") {
			short += "!"
		}
	case strings.Contains(f, `"type":"synced"`):
		short = "s" + num("room_id") + "." + num("to_seq")
		if fmt.Sprint(a.UpTo) != num("to_seq") || a.Shows != 0 || fmt.Sprint(a.Room) != num("room_id") {
			short += "!"
		}
		if strings.Contains(f, `"more":true`) {
			short += "+"
		}
		if strings.Contains(f, `"change_seq":`) {
			short += " c" + num("change_seq")
		}
		if strings.Contains(f, `"more_changes":true`) {
			short += "+"
		}
	case strings.Contains(f, `"type":"resync"`):
		short = "r" + num("room_id")
	default:
		short = "e" + num("room_id")
	}
	h[c.Socket] = append(h[c.Socket], short)
}

func ask(socket chat.SocketID, user chat.UserID, points ...envelope.Point) *envelope.Command {
	return &envelope.Command{Kind: envelope.Sync, Socket: socket, User: user, Points: points}
}

// all answers every command, however many calls it takes.
func all(t interface{ Fatal(...any) }, l Log, cmds []*envelope.Command) (h got, calls int) {
	h = got{}
	for len(cmds) > 0 {
		n, err := Answer(context.Background(), l, bounds, cmds, h.send)
		if err != nil || n < 1 || n > len(cmds) {
			t.Fatal("answered", n, "of", len(cmds), err)
		}
		cmds = cmds[n:]
		calls++
	}
	return h, calls
}

func TestTogether(t *testing.T) {
	l := &library{
		last: map[chat.RoomID]chat.Seq{1: 9, 2: 4},
		places: map[chat.Place]chat.Member{
			{Room: 1, User: 5}: {}, {Room: 1, User: 6}: {VisibleFrom: 8}, {Room: 1, User: 7}: {LeftSeq: 8}, {Room: 2, User: 5}: {},
		},
	}
	h, calls := all(t, l, []*envelope.Command{
		ask(1, 5, envelope.Point{Room: 1, Seq: 7}, envelope.Point{Room: 2, Seq: 4, Epoch: 1}),
		ask(2, 6, envelope.Point{Room: 1}, envelope.Point{Room: 2}),
		ask(3, 7, envelope.Point{Room: 1, Seq: 6}),
		ask(4, 5, envelope.Point{Room: 1, Seq: 8, Epoch: 3}, envelope.Point{Room: 2, Seq: 5}),
	})
	want := got{
		1: {"m1.8", "m1.9", "s1.9", "s2.4"},
		2: {"m1.8", "m1.9", "s1.9", "e2"},
		3: {"m1.7", "m1.8", "s1.8"},
		4: {"r1", "r2"},
	}
	if diff := cmp.Diff(want, h); diff != "" || calls != 1 {
		t.Errorf("in %d calls: %s", calls, diff)
	}
	if diff := cmp.Diff([]chat.Span{{Room: 1, From: 7, To: 9}}, l.spans); diff != "" {
		t.Error("read:", diff)
	}
}

func TestBounds(t *testing.T) {
	l := &library{last: map[chat.RoomID]chat.Seq{1: 10_000, 2: 10_000, 3: 10_000}, places: map[chat.Place]chat.Member{}}
	var points []envelope.Point
	for r := range chat.RoomID(3) {
		l.places[chat.Place{Room: r + 1, User: 5}] = chat.Member{}
		points = append(points, envelope.Point{Room: r + 1, Seq: 7000})
	}
	h, calls := all(t, l, []*envelope.Command{ask(1, 5, points...), ask(2, 5, points...), ask(3, 5, envelope.Point{Room: 1, Seq: 4999})})
	if calls != 2 {
		t.Errorf("%d calls for 3000, 3000 and 0 entries, want 2", calls)
	}
	for s, n := range map[chat.SocketID]int{1: 1311, 2: 1311, 3: 1} { // 240 KiB of these, or a resync
		if len(h[s]) != n {
			t.Errorf("socket %d was sent %d frames, want %d", s, len(h[s]), n)
		}
	}
	points = points[:0]
	for r := range chat.RoomID(6) {
		l.places[chat.Place{Room: r + 1, User: 5}], l.last[r+1] = chat.Member{}, 10_000
		points = append(points, envelope.Point{Room: r + 1, Seq: 7000})
	}
	many, _ := all(t, l, []*envelope.Command{ask(1, 5, points...)})
	if got := strings.Join(many[1], " "); len(many[1]) > callEntries+6 || !strings.HasSuffix(got, "s5.7000+ s6.7000+") {
		t.Errorf("six rooms of a thousand: %d frames, … %s", len(many[1]), got[len(got)-100:])
	}
	if at := h[1][1000]; at != "s1.8000+" {
		t.Errorf("after 1000 entries: %s", at)
	}
	if h[3][0] != "r1" {
		t.Errorf("a gap of 5001: %s", h[3][0])
	}
}

// catchUp has one client ask until it has everything and returns how often it asked and what it has, seqs of each room in order.
func catchUp(t *testing.T, l *library, points []envelope.Point) (asked int) {
	t.Helper()
	for more := true; more; asked++ {
		h, _ := all(t, l, []*envelope.Command{ask(1, 5, points...)})
		more = false
		before := fmt.Sprint(points)
		for _, w := range h[1] {
			var room chat.RoomID
			var seq chat.Seq
			if _, err := fmt.Sscanf(strings.TrimSuffix(w[1:], "+"), "%d.%d", &room, &seq); err != nil {
				t.Fatalf("%q: %v", w, err)
			}
			p := &points[room-1]
			switch {
			case w[0] == 'm' && seq != p.Seq+1, w[0] == 's' && seq != p.Seq:
				t.Fatalf("%s after %d", w, p.Seq)
			case w[0] == 'm':
				p.Seq = seq
			}
			more = more || strings.HasSuffix(w, "+")
		}
		if more && fmt.Sprint(points) == before {
			t.Fatalf("no progress at %s", before)
		}
	}
	return asked
}

// TestLargeContents: an answer is bounded in bytes, and whoever goes on asking gets everything.
func TestLargeContents(t *testing.T) {
	for size, want := range map[int]int{0: 1, 10_000: 10, callBytes: 240} {
		l := &library{last: map[chat.RoomID]chat.Seq{}, places: map[chat.Place]chat.Member{}, size: size}
		var points []envelope.Point
		for r := range chat.RoomID(3) {
			l.last[r+1], l.places[chat.Place{Room: r + 1, User: 5}] = 80, chat.Member{}
			if size == callBytes {
				l.last[r+1] = 2
				want = 6
			}
			points = append(points, envelope.Point{Room: r + 1})
		}
		if n := catchUp(t, l, points); n != want {
			t.Errorf("contents of %d bytes: %d syncs, want %d", size, n, want)
		}
	}
}

// TestTooMuchTogether: what can't be read at once is read for one client after the other.
func TestTooMuchTogether(t *testing.T) {
	l := &library{
		last:   map[chat.RoomID]chat.Seq{1: 1000, 2: 1000},
		places: map[chat.Place]chat.Member{{Room: 1, User: 5}: {}, {Room: 2, User: 5}: {}}, size: 10_000,
	}
	h, calls := all(t, l, []*envelope.Command{ask(1, 5, envelope.Point{Room: 1}), ask(2, 5, envelope.Point{Room: 2})})
	if calls != 2 || len(h[1]) < 20 || len(h[1]) != len(h[2]) || !strings.HasSuffix(h[2][len(h[2])-1], "+") {
		t.Errorf("%d calls, %d and %d frames", calls, len(h[1]), len(h[2]))
	}
}

func TestDown(t *testing.T) {
	l := &library{down: errors.New("down")}
	n, err := Answer(t.Context(), l, bounds, []*envelope.Command{ask(1, 5, envelope.Point{Room: 1}), ask(2, 5, envelope.Point{Room: 1})}, got{}.send)
	if n != 2 || !errors.Is(err, l.down) {
		t.Errorf("answered %d, %v", n, err)
	}
}

// TestLikeOneByOne compares syncs that are answered together with the same answered one by one.
func TestLikeOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &library{last: map[chat.RoomID]chat.Seq{}, places: map[chat.Place]chat.Member{}}
		for r := chat.RoomID(1); r <= 4; r++ {
			l.last[r] = chat.Seq(rapid.IntRange(0, 3000).Draw(t, "last"))
			for u := chat.UserID(1); u <= 3; u++ {
				switch rapid.IntRange(0, 3).Draw(t, "kind") {
				case 1:
					l.places[chat.Place{Room: r, User: u}] = chat.Member{}
				case 2:
					l.places[chat.Place{Room: r, User: u}] = chat.Member{VisibleFrom: chat.Seq(rapid.IntRange(1, 3001).Draw(t, "from"))}
				case 3:
					l.places[chat.Place{Room: r, User: u}] = chat.Member{LeftSeq: chat.Seq(rapid.IntRange(1, 3000).Draw(t, "left"))}
				}
			}
		}
		var cmds []*envelope.Command
		for s := range rapid.IntRange(1, 8).Draw(t, "syncs") {
			c := ask(chat.SocketID(s+1), chat.UserID(rapid.IntRange(1, 4).Draw(t, "user")))
			for range rapid.IntRange(0, 4).Draw(t, "points") {
				c.Points = append(c.Points, envelope.Point{
					Room: chat.RoomID(rapid.IntRange(1, 5).Draw(t, "room")), Seq: chat.Seq(rapid.IntRange(0, 3001).Draw(t, "seq")),
					Epoch: uint64(rapid.IntRange(0, 2).Draw(t, "epoch")),
				})
			}
			cmds = append(cmds, c)
		}
		together, _ := all(t, l, cmds)
		alone := got{}
		for _, c := range cmds {
			h, _ := all(t, l, []*envelope.Command{c})
			for s, shorts := range h {
				alone[s] = shorts
			}
		}
		if diff := cmp.Diff(alone, together); diff != "" {
			t.Fatal(fmt.Sprint("together, not as alone: ", diff))
		}
	})
}
