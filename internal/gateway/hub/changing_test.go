package hub

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// reader is a socket whose client keeps a cursor of changes: it moves as docs/protocol.md says, and a sync brings it to where the room is.
type reader struct {
	fake
	w      *changing
	cursor chat.ChangeSeq
	asOf   chat.Seq // of its welcome
	synced int      // how often it was told to sync
	joined bool     // it has a cursor
}

func (r *reader) Push(f Frame) bool {
	var v struct {
		Type      string
		Seq       chat.Seq
		ChangeSeq chat.ChangeSeq `json:"change_seq"`
		Prev      chat.ChangeSeq
		AtSeq     chat.Seq `json:"at_seq"`
		Message   struct{ Seq chat.Seq }
		Changes   map[string]chat.ChangeSeq
	}
	if err := json.Unmarshal(payloadOf(f), &v); err != nil {
		r.w.rt.Fatalf("%s: %v", payloadOf(f), err)
	}
	r.w.rt.Logf("socket %d of user %d gets %s", r.id, r.user, payloadOf(f))
	switch v.Type {
	case "message":
		r.asOf = max(r.asOf, v.Seq)
	case "joined":
		r.cursor, r.asOf, r.joined = v.ChangeSeq, v.Seq, true
	case "resync": // the client loads a page
		r.cursor, r.asOf = r.w.number(), r.w.head()
	case "head":
		for _, n := range v.Changes {
			r.synced++
			r.cursor = max(r.cursor, n)
		}
		r.asOf = r.w.head()
	case "change":
		r.w.judge(r, v.ChangeSeq, v.AtSeq, v.Message.Seq)
		if v.Prev > r.cursor {
			r.w.rt.Fatalf("socket %d of user %d has %d and gets %s: it lacks changes and wasn't told to sync", r.id, r.user, r.cursor, payloadOf(f))
		}
		r.cursor = max(r.cursor, v.ChangeSeq)
	}
	return true
}

// stay is when a user was a member: from the entry that added them to the one that removed them, 0: until now.
type stay struct{ from, to, sees chat.Seq }

// changing is a room's owner whose messages change.
type changing struct {
	owner
	changes []*envelope.Delivery // changes[i] is change i+1, whether or not it was announced
	told    chat.ChangeSeq       // announced
	stays   map[chat.UserID][]stay
	subs    []*reader
	all     map[chat.SocketID]*reader
}

func (w *changing) number() chat.ChangeSeq { return chat.ChangeSeq(len(w.changes)) }

// judge checks that a user may get a change: they hadn't left when it happened, and see the message.
func (w *changing) judge(r *reader, n chat.ChangeSeq, at, seq chat.Seq) {
	if at > r.asOf {
		w.rt.Fatalf("socket %d of user %d gets change %d, which follows entry %d, and has come to %d", r.id, r.user, n, at, r.asOf)
	}
	// Who joined after the change may get it, too: it was announced after they were, and is of a message that they see, or bare.
	if !slices.ContainsFunc(w.stays[r.user], func(s stay) bool { return (s.to == 0 || at < s.to) && (seq == 0 || seq >= s.sees) }) {
		w.rt.Fatalf("user %d gets change %d of entry %d, of message %d; they were members in %v", r.user, n, at, seq, w.stays[r.user])
	}
}

func (w *changing) in(u chat.UserID) *stay {
	if l := w.stays[u]; len(l) > 0 && l[len(l)-1].to == 0 {
		return &l[len(l)-1]
	}
	return nil
}

func (w *changing) toggle(u chat.UserID) {
	seq := w.head() + 1
	if s := w.in(u); s != nil {
		s.to = seq
		w.append(func(d *envelope.Delivery) { d.Removed, d.Reason = []chat.UserID{u}, chat.LeftSelf })
		return
	}
	sees := rapid.SampledFrom([]chat.Seq{1, seq}).Draw(w.rt, "sees")
	w.stays[u] = append(w.stays[u], stay{from: seq, sees: sees})
	w.append(func(d *envelope.Delivery) {
		d.Added, d.Changes, d.From = []chat.UserID{u}, w.told, sees
		d.JoinedTo = fmt.Appendf(nil, `{"type":"joined","seq":%d,"change_seq":%d}`, seq, w.told)
	})
}

// edit changes a message, and announces that now or later, together with what follows.
func (w *changing) edit() {
	if w.head() == 0 {
		return
	}
	seq := chat.Seq(rapid.IntRange(1, len(w.log)).Draw(w.rt, "message"))
	w.changes = append(w.changes, change(w.number()+1, seq, w.head()))
	if rapid.IntRange(0, 2).Draw(w.rt, "hold back") != 0 {
		w.announce()
	}
}

// announce tells of the last change; what it covers isn't told.
func (w *changing) announce() {
	if w.told == w.number() {
		return
	}
	d := *w.changes[w.number()-1]
	d.Prev = w.told
	w.told = d.Changes
	framed(&d)
	w.post(fmt.Sprintf("change %d after %d, of %d, at %d,", d.Changes, d.Prev, d.Seq, d.AtSeq), func() { w.Changed(&w.sw, &d) })
}

// connect opens a socket; its welcome was read now.
func (w *changing) connect(u chat.UserID) {
	r := &reader{w: w, fake: fake{id: chat.SocketID(len(w.all) + 1), user: u}}
	w.all[r.id] = r
	w.Add(r)
	w.subs = append(w.subs, r)
	s := w.in(u)
	if s == nil {
		return
	}
	p := envelope.Point{Room: room1, Seq: w.head(), Epoch: 1, Changes: w.number(), From: s.sees}
	if rapid.IntRange(0, 3).Draw(w.rt, "from a worker of the release before") == 0 {
		p.Changes, p.From = 0, 0
	}
	r.cursor, r.asOf, r.joined = p.Changes, p.Seq, true
	if head := w.Attach(&w.sw, r, p); head != (Head{}) {
		r.Push(head.frame(room1))
	}
}

func (w *changing) serve() {
	for _, c := range w.sent {
		if c.Kind != envelope.Attach {
			continue
		}
		d := &envelope.Delivery{Kind: envelope.Attached, Room: room1, Epoch: 1, Number: c.Number, Seq: w.head(), Repair: c.Repair, Changes: w.told}
		if c.Repair {
			for _, u := range c.Users {
				if s := w.in(u); s != nil {
					d.Users, d.Froms = append(d.Users, u), append(d.Froms, s.sees)
				}
			}
			for seq := c.Seq + 1; seq <= w.head() && len(d.Entries) < 5; seq++ {
				d.Entries = append(d.Entries, envelope.Entry{Seq: seq, Frame: message(seq), Added: w.log[seq-1].Added})
			}
		}
		w.post(fmt.Sprintf("answer %d: head %d, change %d, repair %v from %d, users %v of %v,", d.Number, d.Seq, d.Changes, d.Repair, c.Seq, d.Users, c.Users),
			func() { w.Attached(&w.sw, d) })
	}
	w.sent = nil
}

func (w *changing) digest() {
	p := []envelope.Point{{Room: room1, Seq: w.head(), Epoch: 1, Changes: w.told}}
	w.post(fmt.Sprintf("digest %d, change %d", w.head(), w.told), func() { w.Heads(&w.sw, p) })
}

// TestChanging: whatever gets lost, comes twice or out of order, nobody gets a change before the entry that it follows, one from after they
// left, or a message that they don't see; nobody's cursor passes over a change unnoticed; and in the end all have come to the
// last one, or were told to sync.
func TestChanging(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &changing{
			owner: owner{bench: newBench(t), rt: rt, lossy: rapid.Bool().Draw(rt, "lossy")},
			stays: map[chat.UserID][]stay{}, all: map[chat.SocketID]*reader{},
		}
		w.o.Find = func(id chat.SocketID) Socket {
			if r := w.all[id]; r != nil {
				return r
			}
			return nil
		}
		for u := range chat.UserID(users) {
			if u%2 == 0 {
				w.stays[u+1] = []stay{{from: 0, sees: 1}}
			}
		}
		someone := func() chat.UserID { return chat.UserID(rapid.IntRange(1, users).Draw(rt, "user")) }
		rt.Repeat(map[string]func(*rapid.T){
			"send":     func(*rapid.T) { w.append(func(*envelope.Delivery) {}) },
			"edit":     func(*rapid.T) { w.edit() },
			"edits":    func(*rapid.T) { w.edit(); w.edit() },
			"announce": func(*rapid.T) { w.announce() },
			"toggle":   func(*rapid.T) { w.toggle(someone()) },
			"connect":  func(*rapid.T) { w.connect(someone()) },
			"receive":  func(*rapid.T) { w.receive() },
			"arrive":   func(*rapid.T) { w.receive(); w.receive(); w.receive() },
			"serve":    func(*rapid.T) { w.serve() },
			"digest":   func(*rapid.T) { w.digest() },
			"close": func(*rapid.T) {
				if len(w.subs) > 0 {
					i := rapid.IntRange(0, len(w.subs)-1).Draw(rt, "socket")
					w.Forget(w.subs[i])
					delete(w.all, w.subs[i].id)
					w.all[w.subs[i].id] = nil
					w.subs = slices.Delete(w.subs, i, i+1)
				}
			},
			"wait": func(*rapid.T) { w.pass(int64(rapid.IntRange(100, 3_000).Draw(rt, "ms"))) },
		})
		w.settle()
	})
}

// settle lets the line work for a while. Then everybody must have come to the last change.
func (w *changing) settle() {
	w.lossy = false
	w.announce()
	for range 40 {
		w.digest()
		w.pass(1_000)
		w.serve()
		for len(w.line) > 0 {
			w.receive()
		}
	}
	for _, r := range w.subs {
		r.state.mu.Lock()
		in := len(r.state.rooms) > 0
		r.state.mu.Unlock()
		if in && w.in(r.user) == nil {
			w.rt.Fatalf("socket %d of user %d is still attached", r.id, r.user)
		}
		if in && r.cursor < w.number() {
			w.rt.Fatalf("socket %d of user %d stays at change %d of %d", r.id, r.user, r.cursor, w.number())
		}
	}
	if w.heldBytes.Load() != 0 {
		w.rt.Fatalf("%d bytes are still held", w.heldBytes.Load())
	}
}
