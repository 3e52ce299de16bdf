//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/gobwas/ws"

	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/history"
)

// listener is a bare socket that asks for nothing: what it gets on one connection must be in order and without a hole,
// unless it is told of one.
func (w *world) listener(i int, u testkit.User) {
	name, url := "listener-"+strconv.Itoa(i), w.url(i)
	w.found.act(func(ctx context.Context) {
		for n := 1; ctx.Err() == nil; n++ {
			s, err := testkit.TryDial(w.t, url(), u.Token)
			if err != nil {
				pause(ctx, 200*time.Millisecond)
				continue
			}
			for ctx.Err() == nil && s.SendFrame(ws.OpPing, true, nil) == nil {
				pause(ctx, 500*time.Millisecond)
			}
			s.Close()
			w.heard(fmt.Sprintf("%s#%d", name, n), u, s.Frames())
		}
	})
}

// heard judges what came on one connection.
func (w *world) heard(name string, u testkit.User, frames []testkit.Frame) {
	last, told := map[uint64]uint64{}, map[uint64]bool{}
	change, toldChange := map[uint64]uint64{}, map[uint64]bool{}
	for _, f := range frames {
		room, seq := f.Num("room_id"), f.Num("seq")
		switch f.Type() {
		case "welcome":
			for _, r := range f.List("rooms") {
				told[r.Num("id")] = true // what came between welcome's reading and the attach is told by a head
				last[r.Num("id")] = r.Num("last_seq")
				change[r.Num("id")], toldChange[r.Num("id")] = r.Num("change_seq"), true
			}
		case "head":
			for k := range f.Obj("rooms") {
				if id, err := strconv.ParseUint(k, 10, 64); err == nil {
					told[id] = true
				}
			}
			for k := range f.Obj("changes") {
				if id, err := strconv.ParseUint(k, 10, 64); err == nil {
					toldChange[id] = true
				}
			}
		case "resync":
			told[room], toldChange[room] = true, true
			last[room] = 0
		case "joined":
			last[f.Obj("room").Num("id")], told[f.Obj("room").Num("id")] = f.Obj("room").Num("last_seq"), true
			change[f.Obj("room").Num("id")], toldChange[f.Obj("room").Num("id")] = f.Obj("room").Num("change_seq"), true
		case "change":
			w.h.Add(history.Event{
				Kind: history.Changed, Client: name, User: u.ID, Room: room, Seq: f.Obj("message").Num("seq"), Change: f.Num("change_seq"),
				Prev: f.Num("prev"), AtSeq: f.Num("at_seq"),
			})
			if prev := f.Num("prev"); prev > change[room] && !toldChange[room] {
				w.found.add("C2", "%s got change %d of room %d, which follows %d, right after %d and was told of no gap", name, f.Num("change_seq"), room, prev, change[room])
			}
			change[room], toldChange[room] = max(change[room], f.Num("change_seq")), false
		case "message":
			seen := testkit.SeenOf(f, false) // an entry that a gateway had lost comes as it is by then
			w.h.Add(history.Event{
				Kind: history.Received, Client: name, User: u.ID, Room: room, Seq: seq, About: f.Num("sender_id"), ID: f.Str("client_msg_id"),
				Content: f.Str("content"), Seen: &seen,
			})
			switch {
			case seq <= last[room]:
				w.found.add("I6", "%s got room %d seq %d after %d on one connection", name, room, seq, last[room])
			case seq > last[room]+1 && !told[room]:
				w.found.add("I6", "%s got room %d seq %d right after %d and was told of no gap", name, room, seq, last[room])
			}
			last[room], told[room] = max(last[room], seq), false
		}
	}
}

// piper sends without waiting for answers and repeats nothing: as long as nothing has to be repeated, the order stays. After
// an error or a lost connection it begins anew under another name.
func (w *world) piper(i int, u testkit.User, rooms []*room) {
	name, url, rm := "piper-"+strconv.Itoa(i), w.url(i), rooms[0]
	r := w.rnd(600 + i)
	w.found.act(func(ctx context.Context) {
		for n := 1; ctx.Err() == nil; n++ {
			s, err := testkit.TryDial(w.t, url(), u.Token)
			if err != nil {
				pause(ctx, 200*time.Millisecond)
				continue
			}
			p := &pipe{w: w, s: s, u: u, room: rm.id, name: fmt.Sprintf("%s#%d", name, n), sent: map[string]bool{}}
			for k := 1; ctx.Err() == nil && p.turn(k, words(r, int64(k))); k++ {
				pause(ctx, 80*time.Millisecond)
			}
			s.Close()
			p.turn(0, "")
		}
	})
}

// pipe is one connection of a piper.
type pipe struct {
	w    *world
	s    *testkit.Socket
	u    testkit.User
	room uint64
	name string
	read int
	sent map[string]bool // unanswered
}

// turn takes the answers and sends one more message, unless k is 0; false: begin anew.
func (p *pipe) turn(k int, text string) bool {
	frames, whole := p.s.Frames(), true
	for ; p.read < len(frames); p.read++ {
		f := frames[p.read]
		switch f.Type() {
		case "ack":
			delete(p.sent, f.Str("client_msg_id"))
			p.w.h.Add(history.Event{Kind: history.Acked, Client: p.name, User: p.u.ID, Room: p.room, Seq: f.Num("seq"), ID: f.Str("client_msg_id"), Duplicate: f.Bool("duplicate")})
		case "error":
			p.w.h.Add(history.Event{Kind: history.Nacked, Client: p.name, User: p.u.ID, Room: p.room, ID: f.Str("ref"), Word: f.Str("code"), Retry: f.Bool("retry")})
			whole = false
		}
	}
	if k == 0 || !whole || len(p.sent) >= 600 {
		return whole && k != 0
	}
	id := fmt.Sprintf("%s.%d", p.name[len("piper-"):], k)
	id = "p" + replaceHash(id)
	p.w.h.Add(history.Event{Kind: history.Sent, Client: p.name, User: p.u.ID, Room: p.room, ID: id, Content: text, Number: uint64(k)})
	p.sent[id] = true
	b := fmt.Sprintf(`{"type":"message","room_id":%d,"client_msg_id":%q,"content":%q}`, p.room, id, text)
	return p.s.SendFrame(ws.OpText, true, []byte(b)) == nil
}

func replaceHash(id string) string {
	b := []byte(id)
	for i := range b {
		if b[i] == '#' {
			b[i] = '_'
		}
	}
	return string(b)
}
