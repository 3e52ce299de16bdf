package hub

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// owner is a room's log and an unreliable line to one hub: deliveries get lost, come twice and out of order.
type owner struct {
	*bench
	rt    *rapid.T
	log   []*envelope.Delivery // log[i] is seq i+1
	line  []parcel             // on the way
	lossy bool                 // deliveries get lost; else welcomes may be old
}

// world is a room's owner, and who is in the room.
type world struct {
	owner
	members map[chat.UserID]bool
	stays   map[chat.UserID][]span
	subs    []*fake
	lastID  chat.SocketID
}

// span is a time of membership: the user sees the entries from … to, 0: all that come.
type span struct{ from, to chat.Seq }

// sees reports whether an entry is for a user.
func (w *world) sees(u chat.UserID, seq chat.Seq) bool {
	return slices.ContainsFunc(w.stays[u], func(s span) bool { return s.from <= seq && (s.to == 0 || seq <= s.to) })
}

// from is the first entry of the present span of a member.
func (w *world) from(u chat.UserID) chat.Seq { return w.stays[u][len(w.stays[u])-1].from }

// parcel is a delivery on the line.
type parcel struct {
	name string
	open func()
}

const users = 4

func (w *owner) head() chat.Seq { return chat.Seq(len(w.log)) }

// post sends something over the line.
func (w *owner) post(name string, f func()) {
	if w.lossy && rapid.IntRange(0, 3).Draw(w.rt, "lose") == 0 {
		return
	}
	w.line = append(w.line, parcel{name, f})
	if rapid.IntRange(0, 5).Draw(w.rt, "twice") == 0 {
		w.line = append(w.line, parcel{name, f})
	}
}

// receive lets one of the next things on the line arrive, not always the first.
func (w *owner) receive() {
	if len(w.line) == 0 {
		return
	}
	i := rapid.IntRange(0, min(len(w.line)-1, 5)).Draw(w.rt, "next")
	p := w.line[i]
	w.line = slices.Delete(w.line, i, i+1)
	w.rt.Logf("%s arrives", p.name)
	p.open()
}

func (w *owner) append(change func(*envelope.Delivery)) {
	d := entry(w.head() + 1)
	change(d)
	w.log = append(w.log, d)
	w.post(fmt.Sprintf("entry %d, added %v, removed %v,", d.Seq, d.Added, d.Removed), func() { w.InRoom(&w.sw, d) })
}

func (w *world) toggle(u chat.UserID) {
	if w.members[u] {
		delete(w.members, u)
		w.stays[u][len(w.stays[u])-1].to = w.head() + 1
		w.append(func(d *envelope.Delivery) {
			d.Removed, d.Reason, d.Frame = []chat.UserID{u}, chat.LeftSelf, event(d.Seq, chat.EventLeft, u)
		})
		return
	}
	w.members[u] = true
	w.stays[u] = append(w.stays[u], span{from: w.head() + 1})
	w.append(func(d *envelope.Delivery) {
		d.Added, d.JoinedTo, d.Frame = []chat.UserID{u}, []byte(`{"type":"joined"}`), event(d.Seq, chat.EventJoined, u)
	})
}

// connect opens a socket; its welcome is read now and may arrive later.
func (w *world) connect(u chat.UserID) {
	w.lastID++
	f := w.socket(w.lastID, u)
	w.subs = append(w.subs, f)
	if !w.members[u] {
		return
	}
	p := envelope.Point{Room: room1, Seq: w.head(), Epoch: 1, From: w.from(u)}
	arrive := func() {
		if head := w.Attach(&w.sw, f, p); head != (Head{}) {
			f.Push(head.frame(room1))
		}
	}
	if w.lossy {
		arrive()
	} else {
		w.line = append(w.line, parcel{fmt.Sprintf("welcome of %d at %d", f.id, p.Seq), arrive})
	}
}

// serve answers what the hub has asked.
func (w *world) serve() {
	for _, c := range w.sent {
		if c.Kind != envelope.Attach {
			continue
		}
		d := &envelope.Delivery{Kind: envelope.Attached, Room: room1, Epoch: 1, Number: c.Number, Seq: w.head(), Repair: c.Repair}
		if c.Repair {
			for _, u := range c.Users {
				if w.members[u] {
					d.Users, d.Froms = append(d.Users, u), append(d.Froms, w.from(u))
				}
			}
			for seq := c.Seq + 1; seq <= w.head() && len(d.Entries) < 5; seq++ {
				d.Entries = append(d.Entries, envelope.Entry{Seq: seq, Frame: w.log[seq-1].Frame, Added: w.log[seq-1].Added})
			}
		}
		w.post(fmt.Sprintf("answer %d: head %d, repair %v from %d, users %v of %v,", d.Number, d.Seq, d.Repair, c.Seq, d.Users, c.Users),
			func() { w.Attached(&w.sw, d) })
	}
	w.sent = nil
}

// check judges what a socket has seen: message seqs without holes or repeats, except where a frame says so, and none
// of when its user was no member. It returns the last one, and whether a frame after it said that there is
// more.
func (w *world) check(f *fake) (last uint64, told bool) {
	free := true // the next seq may be anything above the last
	for _, x := range f.got {
		seq, err := strconv.ParseUint(x[1:], 10, 64)
		if x[0] != 'm' || err != nil {
			free, told = true, true // head, resync, joined, left
			continue
		}
		if seq <= last || !free && seq != last+1 {
			w.rt.Fatalf("socket %d of user %d: %v", f.id, f.user, f.got)
		}
		if !w.sees(f.user, chat.Seq(seq)) {
			w.rt.Fatalf("socket %d of user %d, who was there in %v, got %v", f.id, f.user, w.stays[f.user], f.got)
		}
		last, free, told = seq, false, false
	}
	return last, told
}

func TestContinuity(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{
			owner:   owner{bench: newBench(t), rt: rt, lossy: rapid.Bool().Draw(rt, "lossy")},
			members: map[chat.UserID]bool{}, stays: map[chat.UserID][]span{},
		}
		for u := range chat.UserID(users) {
			if u%2 == 0 {
				w.members[u+1], w.stays[u+1] = true, []span{{from: 1}}
			}
		}
		someone := func() chat.UserID { return chat.UserID(rapid.IntRange(1, users).Draw(rt, "user")) }
		rt.Repeat(map[string]func(*rapid.T){
			"send":    func(*rapid.T) { w.append(func(*envelope.Delivery) {}) },
			"toggle":  func(*rapid.T) { w.toggle(someone()) },
			"connect": func(*rapid.T) { w.connect(someone()) },
			"receive": func(*rapid.T) { w.receive() },
			"arrive":  func(*rapid.T) { w.receive(); w.receive(); w.receive() },
			"serve":   func(*rapid.T) { w.serve() },
			"digest": func(*rapid.T) {
				p := []envelope.Point{{Room: room1, Seq: w.head(), Epoch: 1}}
				w.post(fmt.Sprintf("digest %d", w.head()), func() { w.Heads(&w.sw, p) })
			},
			"close": func(*rapid.T) {
				if len(w.subs) > 0 {
					i := rapid.IntRange(0, len(w.subs)-1).Draw(rt, "socket")
					w.Forget(w.subs[i])
					delete(w.socks, w.subs[i].id)
					w.check(w.subs[i])
					w.subs = slices.Delete(w.subs, i, i+1)
				}
			},
			"wait": func(*rapid.T) { w.pass(int64(rapid.IntRange(100, 3_000).Draw(rt, "ms"))) },
			"": func(*rapid.T) {
				for _, f := range w.subs {
					w.check(f)
				}
			},
		})
		w.settle()
	})
}

// settle lets the line work for a while. Then everybody must have everything that they may have.
func (w *world) settle() {
	lossy := w.lossy
	w.lossy = false
	for range 40 {
		w.Heads(&w.sw, []envelope.Point{{Room: room1, Seq: w.head(), Epoch: 1}})
		w.pass(1_000)
		w.serve()
		for len(w.line) > 0 {
			w.receive()
		}
	}
	for _, f := range w.subs {
		last, told := w.check(f)
		f.state.mu.Lock()
		in := len(f.state.rooms) > 0
		f.state.mu.Unlock()
		// An addition that got lost is made good by the next welcome only.
		if in && !w.members[f.user] || !in && w.members[f.user] && !lossy {
			w.rt.Fatalf("socket %d of user %d: attached %v, member %v: %v", f.id, f.user, in, w.members[f.user], f.got)
		}
		if in && !told && last != 0 && last != uint64(w.head()) {
			w.rt.Fatalf("socket %d of user %d stays at %d of %d: %v", f.id, f.user, last, w.head(), f.got)
		}
	}
	if w.heldBytes.Load() != 0 {
		w.rt.Fatalf("%d bytes are still held", w.heldBytes.Load())
	}
}
