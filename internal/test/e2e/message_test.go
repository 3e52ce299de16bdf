//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"chat-service/internal/test/testkit"
)

// TestMessages: an ack for the sender, the message for all other sockets of all members, at both gateways.
func TestMessages(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "> message", "< ack", "< message", "no echo to the sending connection", "client_msg_id form")
	us := w.users(t, 2)
	from, other := w.dial(t, 1, us[0]), w.dial(t, 2, us[0])
	to := []*sock{w.dial(t, 1, us[1]), w.dial(t, 2, us[1]), w.dial(t, 2, w.api.Login(t, us[1].Username, us[1].Password, "phone"))}
	room := w.api.CreateRoom(t, us[0], us[1])
	for _, s := range append(to, from, other) {
		s.Expect(t, is("joined"))
	}
	text := "Hello, World! 你好 \u2028 \"quoted\" \\ </script> 🙂 \t end"
	from.Send(t, obj{"type": "message", "room_id": room, "content": text, "client_msg_id": "a.B_c:d-9"})
	ack := from.Expect(t, is("ack", "client_msg_id", "a.B_c:d-9", "seq", 2, "duplicate", false))
	for _, s := range append(to, other) {
		m := s.Expect(t, is("message", "room_id", room))
		if m.Str("content") != text || m.Num("seq") != 2 || m.Num("sender_id") != us[0].ID || m.Str("client_msg_id") != "a.B_c:d-9" || m["created_at"] != ack["created_at"] {
			t.Errorf("received %s", m)
		}
	}
	// The seed's form, without an id: one is made.
	from.Send(t, obj{"type": "message", "room_id": room, "content": "plain"})
	if id := from.Expect(t, is("ack", "seq", 3)).Str("client_msg_id"); id == "" || len(id) > 36 {
		t.Errorf("made the id %q", id)
	}
	from.ExpectNone(t, is("message"), func() { other.Expect(t, is("message", "seq", 3)) })
	longest := strings.Repeat("0123456789", 3) + "abcdef"
	from.Send(t, obj{"type": "message", "room_id": room, "content": "long id", "client_msg_id": longest})
	from.Expect(t, is("ack", "client_msg_id", longest))
}

func TestMessagesRefused(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "> message", "POST /rooms/{room_id}/messages", "content ≤ 16 KiB", "client_msg_id form", "code too_large", "code not_found", "code invalid", "code unknown_field",
		"keeps: not a member", "keeps: over message_bytes", "keeps: bad values")
	us := w.users(t, 2)
	s := w.dial(t, 1, us[0])
	room := w.api.CreateRoom(t, us[0])
	s.Expect(t, is("joined"))
	hidden := w.api.CreateRoom(t, us[1])
	const limit = 16 << 10
	long := strings.Repeat("é", limit/2)
	send := func(room uint64, fields obj) obj {
		f := obj{"type": "message", "room_id": room, "content": "x"}
		for k, v := range fields {
			f[k] = v
		}
		return f
	}
	for i, c := range []struct {
		room   uint64
		fields obj
		code   string
		status int
	}{
		{1 << 40, nil, "not_found", 404},
		{hidden, nil, "not_found", 404},
		{room, obj{"content": ""}, "invalid", 422},
		{room, obj{"content": " \n\t "}, "invalid", 422},
		{room, obj{"content": "\u2003\u00a0"}, "invalid", 422},
		{room, obj{"content": "a\x00b"}, "invalid", 422},
		{room, obj{"content": 5}, "invalid", 422},
		{room, obj{"content": nil}, "invalid", 422},
		{room, obj{"content": long + "x"}, "too_large", 413},
		{room, obj{"colour": "red"}, "unknown_field", 400},
	} {
		id := fresh()
		f := send(c.room, c.fields)
		f["client_msg_id"] = id
		refusal(t, s, c.code, id, f)
		body := obj{"content": "x", "client_msg_id": id}
		for k, v := range c.fields {
			body[k] = v
		}
		refused(t, w.api, want{c.status, c.code, ""}, "POST", roomPath(c.room, "/messages"), us[0].Token, body)
		if n := w.number(t, "SELECT COUNT(*) FROM messages WHERE client_msg_id = ?", id); n != 0 {
			t.Errorf("case %d: the message is there", i)
		}
	}
	for _, id := range []any{"", "with space", "ü", strings.Repeat("x", 37), 7} {
		refusal(t, s, "invalid", "message", send(room, obj{"client_msg_id": id}))
		refused(t, w.api, want{422, "invalid", "client_msg_id"}, "POST", roomPath(room, "/messages"), us[0].Token, obj{"content": "x", "client_msg_id": id})
	}
	for _, f := range []obj{
		{"type": "message", "content": "x"},
		{"type": "message", "room_id": room},
		{"type": "message", "room_id": -1, "content": "x"},
		{"type": "message", "room_id": 1.5, "content": "x"},
		{"type": "message", "room_id": "1", "content": "x"},
		{"type": "message", "room_id": uint64(1) << 53, "content": "x"},
	} {
		refusal(t, s, "invalid", "message", f)
	}
	if got := w.chat(t, s, room, long); got != 2 {
		t.Errorf("a message of exactly 16 KiB has seq %d, want 2: refusals took some", got)
	}
	w.api.Must(t, 201, "POST", roomPath(room, "/messages"), us[0].Token, obj{"content": strings.Repeat("<", limit)}) // six bytes each on the wire
	refused(t, w.strict, want{413, "too_large", ""}, "POST", roomPath(room, "/messages"), us[0].Token, obj{"content": strings.Repeat("x", 101)})
}

// TestOneOrder: what sockets at both gateways and REST send at the same time has one order, the same for all, without
// holes.
func TestOneOrder(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "seqs are dense, in one order", "> message", "POST /rooms/{room_id}/messages")
	us := w.users(t, 3)
	one, two, watcher := w.dial(t, 1, us[0]), w.dial(t, 2, us[1]), w.dial(t, 2, us[2])
	room := w.api.CreateRoom(t, us[0], us[1], us[2])
	for _, s := range []*sock{one, two, watcher} {
		s.Expect(t, is("joined"))
	}
	w.chat(t, one, room, "first")
	for _, s := range []*sock{two, watcher} {
		arrives(t, s, room, is("message", "content", "first")) // from now on their gateway has attached the room
	}
	const each = 40
	var wg sync.WaitGroup
	for _, s := range []*sock{one, two} {
		wg.Go(func() {
			var ids []string
			for range each {
				ids = append(ids, fresh())
				s.Send(t, obj{"type": "message", "room_id": room, "content": "by socket", "client_msg_id": ids[len(ids)-1]})
			}
			last := uint64(0)
			for _, id := range ids {
				seq := s.Expect(t, is("ack", "client_msg_id", id)).Num("seq")
				if seq <= last {
					t.Errorf("one sender's messages changed their order: %d after %d", seq, last)
				}
				last = seq
			}
		})
	}
	wg.Go(func() {
		for range each {
			r, err := w.api.Call(t.Context(), "POST", roomPath(room, "/messages"), us[2].Token, obj{"content": "by REST", "client_msg_id": fresh()})
			if err != nil || r.Status != 201 {
				t.Errorf("REST: %d %s %v", r.Status, r.Body, err)
			}
		}
	})
	wg.Wait()
	history := w.api.History(t, us[0], room)
	if len(history) != 3*each+2 {
		t.Fatalf("%d entries, want %d", len(history), 3*each+2)
	}
	watcher.Expect(t, is("message", "seq", 3*each+2))
	var seen []frame
	for _, f := range watcher.Frames() {
		if f.Type() == "message" {
			seen = append(seen, f)
		}
	}
	for i, h := range history {
		if h.Num("seq") != uint64(i+1) {
			t.Fatalf("entry %d has seq %d", i+1, h.Num("seq"))
		}
		if i > 0 && (len(seen) < i || seen[i-1].Str("id") != h.Str("id") || seen[i-1].Str("client_msg_id") != h.Str("client_msg_id")) {
			t.Fatalf("the watcher saw another order at %s", h)
		}
	}
	// To one connection a room's acks and messages leave in seq order.
	for _, s := range []*sock{one, two} {
		last := uint64(1)
		for _, f := range s.Frames() {
			if f.Type() != "message" && f.Type() != "ack" {
				continue
			}
			if f.Num("seq") != last+1 {
				t.Fatalf("%s after seq %d", f, last)
			}
			last++
		}
	}
}

// TestRepeats: a client_msg_id stands for one message for ever, by whatever road it comes again.
func TestRepeats(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "< ack", "POST /rooms/{room_id}/messages", "code idempotency_conflict")
	bad(t, "> message", "POST /rooms/{room_id}/messages")
	us := w.users(t, 2)
	s, other, to := w.dial(t, 1, us[0]), w.dial(t, 2, us[0]), w.dial(t, 2, us[1])
	room := w.api.CreateRoom(t, us[0], us[1])
	to.Expect(t, is("joined"))
	path := roomPath(room, "/messages")
	frame, body := func(id, text string) obj {
		return obj{"type": "message", "room_id": room, "content": text, "client_msg_id": id}
	}, func(id, text string) obj { return obj{"content": text, "client_msg_id": id} }

	s.Send(t, frame("ws", "one"))
	first := s.Expect(t, is("ack", "client_msg_id", "ws", "duplicate", false))
	other.Send(t, frame("ws", "one"))
	if d := other.Expect(t, is("ack", "client_msg_id", "ws", "duplicate", true)); d["seq"] != first["seq"] || d["created_at"] != first["created_at"] || d["id"] != first["id"] {
		t.Errorf("repeated: %s, first %s", d, first)
	}
	if m := w.api.Must(t, 200, "POST", path, us[0].Token, body("ws", "one")); m["seq"] != first["seq"] || m["created_at"] != first["created_at"] || m.Str("content") != "one" {
		t.Errorf("repeated by REST: %s, first %s", m, first)
	}
	rest := w.api.Must(t, 201, "POST", path, us[0].Token, body("rest", "two"))
	w.api.Must(t, 200, "POST", path, us[0].Token, body("rest", "two"))
	s.Send(t, frame("rest", "two"))
	if d := s.Expect(t, is("ack", "client_msg_id", "rest", "duplicate", true)); d["seq"] != rest["seq"] {
		t.Errorf("repeated by socket: %s, first %s", d, rest)
	}
	refusal(t, s, "idempotency_conflict", "ws", frame("ws", "another"))
	refusal(t, s, "idempotency_conflict", "rest", frame("rest", "another"))
	refused(t, w.api, want{409, "idempotency_conflict", ""}, "POST", path, us[0].Token, body("ws", "another"))
	refused(t, w.api, want{409, "idempotency_conflict", ""}, "POST", path, us[0].Token, body("rest", "another"))

	// Many at once are one as well.
	var wg sync.WaitGroup
	seqs := make([]uint64, 6)
	for i := range seqs {
		wg.Go(func() {
			switch i % 3 {
			case 0:
				s.Send(t, frame("many", "three"))
				seqs[i] = s.Expect(t, is("ack", "client_msg_id", "many")).Num("seq")
			case 1:
				other.Send(t, frame("many", "three"))
				seqs[i] = other.Expect(t, is("ack", "client_msg_id", "many")).Num("seq")
			default:
				if r, err := w.api.Call(t.Context(), "POST", path, us[0].Token, body("many", "three")); err == nil {
					seqs[i] = r.Body.Num("seq")
				}
			}
		})
	}
	wg.Wait()
	slices.Sort(seqs)
	if seqs[0] != 4 || seqs[5] != 4 {
		t.Errorf("one message sent six times has seqs %v, want 4", seqs)
	}
	// Another sender's same id, and the same id in another room, are other messages.
	w.api.Must(t, 201, "POST", path, us[1].Token, body("ws", "mine"))
	w.api.Must(t, 201, "POST", roomPath(w.api.CreateRoom(t, us[0]), "/messages"), us[0].Token, body("ws", "elsewhere"))
	to.ExpectNone(t, func(f testkit.Frame) bool { return f.Type() == "message" && f.Num("seq") > 4 }, func() {
		for seq := range 3 {
			to.Expect(t, is("message", "seq", seq+2))
		}
		testkit.Eventually(t, patience, func() (bool, string) {
			n := w.number(t, "SELECT COUNT(*) FROM outbox WHERE room_id = ?", room)
			return n == 0, "the outbox is not empty"
		})
	}, func() { to.Expect(t, is("message", "seq", 5, "content", "mine")) })
	if n := w.number(t, "SELECT COUNT(*) FROM messages WHERE room_id = ? AND kind = 'text'", room); n != 4 {
		t.Errorf("%d messages, want 4", n)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "GET /rooms/{room_id}/messages", "history without parameters", "has_more", "page and seq ranges", "message fields")
	us := w.users(t, 2)
	room := w.api.CreateRoom(t, us[0], us[1])
	for i := 2; i <= 45; i++ {
		w.post(t, us[i%2], room, fmt.Sprint("message ", i))
	}
	for _, c := range []struct {
		query    string
		from, to uint64 // 0: nothing
		more     bool
	}{
		{"", 26, 45, true},
		{"page=1", 26, 45, true},
		{"page=2", 6, 25, true},
		{"page=3", 1, 5, false},
		{"page=4", 0, 0, false},
		{"page=9007199254740991", 0, 0, false},
		{"page_size=100", 1, 45, false},
		{"page=2&page_size=22", 2, 23, true},
		{"page=45&page_size=1", 1, 1, false},
		{"limit=3", 43, 45, true},
		{"before_seq=10&limit=5", 5, 9, true},
		{"before_seq=6&limit=5", 1, 5, false},
		{"before_seq=1", 0, 0, false},
		{"before_seq=0", 0, 0, false},
		{"before_seq=1000&limit=2", 44, 45, true},
		{"after_seq=0&limit=5", 1, 5, true},
		{"after_seq=40&limit=5", 41, 45, false},
		{"after_seq=45", 0, 0, false},
		{"after_seq=1000", 0, 0, false},
		{"around_seq=20&limit=5", 18, 22, true},
		{"around_seq=1&limit=5", 1, 5, false},
		{"around_seq=45&limit=5", 41, 45, true},
		{"min_seq=45", 26, 45, true},
	} {
		f := w.api.Must(t, 200, "GET", roomPath(room, "/messages?"+c.query), us[0].Token, nil)
		ms := f.List("messages")
		var from, to uint64
		if len(ms) > 0 {
			from, to = ms[0].Num("seq"), ms[len(ms)-1].Num("seq")
		}
		ascending := slices.IsSortedFunc(ms, func(a, b frame) int { return int(a.Num("seq")) - int(b.Num("seq")) })
		if from != c.from || to != c.to || to != 0 && uint64(len(ms)) != to-from+1 || !ascending || f.Bool("has_more") != c.more || f.Num("last_seq") != 45 || !f.Has("messages") {
			t.Errorf("%q shows %d messages, %d … %d, has_more %v, last_seq %d; want %d … %d, %v, 45", c.query, len(ms), from, to, f.Bool("has_more"), f.Num("last_seq"), c.from, c.to, c.more)
		}
	}
}

func TestHistoryRefuses(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "GET /rooms/{room_id}/messages", "page and seq ranges")
	u := w.api.User(t)
	room := w.api.CreateRoom(t, u)
	for query, field := range map[string]string{
		"page=0": "page", "page=-1": "page", "page=x": "page", "page=1.5": "page", "page=": "page", "page_size=0": "page_size", "page_size=101": "page_size",
		"before_seq=-1": "before_seq", "after_seq=x": "after_seq", "around_seq=9007199254740992": "around_seq", "after_seq=0&limit=0": "limit", "after_seq=0&limit=101": "limit",
		"page=1&after_seq=0": "page", "after_seq=0&before_seq=9": "before_seq", "page=1&page=2": "page", "page=18446744073709551616": "page",
	} {
		refused(t, w.api, want{422, "invalid", field}, "GET", roomPath(room, "/messages?"+query), u.Token, nil)
	}
}
