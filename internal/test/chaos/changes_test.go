//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/history"
)

// early are messages that everybody saw, and afterAll is a place in the log that nobody who was removed has seen.
const (
	early    = 5
	afterAll = 1 << 52
)

// keys are what people react with: few, so that they meet.
var keys = []string{"👍", "❤️", "+1", "a/b", "ü"}

// reach is how many of a room's newest messages are changed: what is older comes to rest.
const reach = 60

// anAsk picks a change to one of the newest messages up to last: one's own by mine, others' by anybody. ok is false if there is none to make.
func anAsk(r *rand.Rand, last uint64, mine func(seq uint64) bool, n int) (a testkit.Ask, ok bool) {
	if last < 2 {
		return a, false
	}
	a.Seq = last - uint64(r.IntN(int(min(reach, last-1))))
	switch dice := r.IntN(100); {
	case dice < 55 || !mine(a.Seq) && dice < 80:
		a.Kind, a.Key, a.On = "reaction", keys[r.IntN(len(keys))], r.IntN(3) > 0
	case !mine(a.Seq):
		return a, false
	case dice < 85:
		a.Kind, a.Content = "edit", fmt.Sprintf("edited %d", n)
	default:
		a.Kind = "recall"
	}
	return a, true
}

// changers have everybody who speaks change what was said, by their sockets: own messages, and the owners pin.
func (w *world) changers(perSecond int) {
	for i := range 4 {
		r := w.rnd(700 + i)
		w.found.act(func(ctx context.Context) {
			for n := 0; ctx.Err() == nil; n++ {
				pause(ctx, between(r, 0, 8*time.Second/time.Duration(perSecond)))
				rm := w.rooms[r.IntN(len(w.rooms))]
				p := rm.speakers[r.IntN(len(rm.speakers))]
				if waiting := p.c.Unanswered(); waiting > 5 {
					continue
				}
				last := p.c.Have(rm.id)
				if r.IntN(8) == 0 {
					if seq := last - uint64(r.IntN(int(min(reach, last+1)))); w.isText(rm.owner.c, rm.id, seq) {
						rm.owner.c.Change(rm.id, testkit.Ask{Kind: "pin", Seq: seq, On: r.IntN(2) == 0})
					}
					continue
				}
				own := func(seq uint64) bool { by, _ := p.c.Knows(rm.id, seq); return by == p.ID }
				if a, ok := anAsk(r, last, own, 4*n+i); ok && w.isText(p.c, rm.id, a.Seq) {
					id := p.c.Change(rm.id, a)
					if then, ok := undone(a); ok && r.IntN(4) == 0 {
						p.c.Change(rm.id, then)
						p.c.ChangeAgain(rm.id, id, a)
					}
				}
			}
		})
	}
}

// undone is a change after which another one, made again, would undo something.
func undone(a testkit.Ask) (then testkit.Ask, ok bool) {
	switch a.Kind {
	case "edit":
		a.Content += " and again"
	case "reaction":
		a.On = !a.On
	default:
		return a, false
	}
	return a, true
}

// isText reports whether a client has the message, and a user wrote it.
func (w *world) isText(c *testkit.Chatter, room, seq uint64) bool {
	by, there := c.Knows(room, seq)
	return there && by != 0
}

// amender changes messages by REST, and asks for some of it again.
func (w *world) amender(i int, u testkit.User, rooms []*room) {
	name := "amender-" + strconv.Itoa(i)
	r := w.rnd(800 + i)
	w.found.act(func(ctx context.Context) {
		own := map[uint64][]uint64{}
		for n := 1; ctx.Err() == nil; n++ {
			rm := rooms[r.IntN(len(rooms))]
			if len(own[rm.id]) == 0 || r.IntN(4) == 0 {
				id, text := fmt.Sprintf("%s.%d", name, n), words(r, int64(n))
				w.h.Add(history.Event{Kind: history.Sent, Client: name, User: u.ID, Room: rm.id, ID: id, Content: text, Number: uint64(n)})
				if seq := w.post(ctx, name, u, rm.id, id, text); seq > 0 {
					own[rm.id] = append(own[rm.id], seq)
				}
				continue
			}
			last := own[rm.id][len(own[rm.id])-1]
			a, ok := anAsk(r, last, func(seq uint64) bool { return slices.Contains(own[rm.id], seq) }, 1_000_000*(i+1)+n)
			if ok && a.Seq > 1 {
				w.amend(ctx, name, u, rm.id, fmt.Sprintf("%s.c%d", name, n), a, r.IntN(4) == 0)
			}
			pause(ctx, between(r, 50*time.Millisecond, 400*time.Millisecond))
		}
	})
}

// amend asks for a change by REST until it is answered, and once more if again.
func (w *world) amend(ctx context.Context, client string, u testkit.User, room uint64, id string, a testkit.Ask, again bool) {
	w.h.Add(history.Event{
		Kind: history.Asked, Client: client, User: u.ID, Room: room, Seq: a.Seq, ID: id, Word: a.Kind, Content: a.Content, Key: a.Key, On: a.On,
	})
	method, path, body := http.MethodPut, fmt.Sprintf("/rooms/%d/messages/%d", room, a.Seq), any(nil)
	switch a.Kind {
	case "edit":
		method, body = http.MethodPatch, obj{"content": a.Content}
	case "recall":
		method = http.MethodDelete
	case "reaction":
		if path += "/reactions/" + url.PathEscape(a.Key); !a.On {
			method = http.MethodDelete
		}
	}
	for ctx.Err() == nil {
		rctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		r, err := w.api.CallWith(rctx, method, path, u.Token, body, http.Header{"Idempotency-Key": {id}})
		cancel()
		e := history.Event{Client: client, User: u.ID, Room: room, Seq: a.Seq, ID: id}
		switch {
		case err == nil && r.Status == http.StatusOK:
			e.Kind = history.Done
			w.h.Add(e)
			if !again {
				return
			}
			again = false
		case err == nil && r.Status < 500 && r.Status != http.StatusTooManyRequests:
			e.Kind, e.Word = history.Denied, r.Body.Str("code")
			w.h.Add(e)
			return
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// pager reads the newest page and their list of rooms, again and again.
func (w *world) pager(i int, u testkit.User, rooms []*room) {
	name := "pager-" + strconv.Itoa(i)
	w.enter(name, u, nil).rooms = rooms
	r := w.rnd(900 + i)
	w.found.act(func(ctx context.Context) {
		for ctx.Err() == nil {
			w.page(ctx, name, u, rooms[r.IntN(len(rooms))].id, 1)
			w.page(ctx, name, u, rooms[r.IntN(len(rooms))].id, 2+r.IntN(6)) // older ones may come from a replica that lags
			w.list(ctx, name, u)
			pause(ctx, between(r, 100*time.Millisecond, 600*time.Millisecond))
		}
	})
}

// page reads a page of a room, 1 is the newest, and records what it tells.
func (w *world) page(ctx context.Context, name string, u testkit.User, room uint64, page int) {
	began := w.h.Now()
	rctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r, err := w.api.Call(rctx, http.MethodGet, fmt.Sprintf("/rooms/%d/messages?page_size=40&page=%d", room, page), u.Token, nil)
	if err != nil || r.Status != http.StatusOK {
		return
	}
	for _, m := range r.Body.List("messages") {
		seen := testkit.SeenOf(m, false)
		w.h.Add(history.Event{Kind: history.Paged, Client: name, User: u.ID, Room: room, Seq: m.Num("seq"), Began: began, Seen: &seen})
	}
}

// list reads the list of rooms and records the numbers in it.
func (w *world) list(ctx context.Context, name string, u testkit.User) {
	rctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r, err := w.api.Call(rctx, http.MethodGet, "/rooms", u.Token, nil)
	if err != nil || r.Status != http.StatusOK {
		return
	}
	for _, rm := range r.Body.List("rooms") {
		w.h.Add(history.Event{
			Kind: history.Counted, Client: name, User: u.ID, Room: rm.Num("id"), Change: rm.Num("change_seq"), Last: rm.Num("last_seq"),
			Read: rm.Num("read_seq"), Unread: rm.Num("unread"),
		})
	}
}

// lurk has somebody who was removed from rooms go on asking for what was changed in them: nothing of it is theirs any more, however old
// the message.
func (w *world) lurk(ctx context.Context, name string, u testkit.User, rooms []*room) {
	url := w.url(len(name))
	for ctx.Err() == nil {
		s, err := testkit.TryDial(w.t, url(), u.Token)
		if err != nil {
			pause(ctx, 300*time.Millisecond)
			continue
		}
		for range 10 {
			for _, rm := range rooms {
				b := fmt.Sprintf(`{"type":"sync","rooms":{"%d":{"seq":%d,"epoch":1,"changes":0,"from_seq":1}}}`, rm.id, early)
				if s.SendFrame(1, true, []byte(b)) != nil {
					break
				}
			}
			pause(ctx, 400*time.Millisecond)
		}
		s.Close()
		for _, f := range s.Frames() {
			if f.Type() == "change" {
				m := f.Obj("message")
				w.h.Add(history.Event{
					Kind: history.Changed, Client: name + "'s other socket", User: u.ID, Room: f.Num("room_id"), Seq: m.Num("seq"), Change: f.Num("change_seq"),
					Prev: f.Num("prev"), AtSeq: afterAll,
				})
			}
		}
	}
}

// denials: a change by somebody who may make it is refused for good only where the message or the room leaves no choice.
func (j *judge) denials() {
	system := map[removal]bool{} // by room and seq
	for _, m := range j.dump.Messages {
		system[removal{m.Room, m.Seq}] = m.Kind == "system"
	}
	for _, e := range j.events {
		if e.Kind != history.Denied || e.Retry || slices.Contains([]string{"conflict", "limit_reached"}, e.Word) {
			continue
		}
		if e.Word == "forbidden" && system[removal{e.Room, e.Seq}] { // by REST nobody looks before they ask
			continue
		}
		if strings.HasPrefix(e.Client, "exile") || strings.HasPrefix(e.Client, "wanderer") {
			continue
		}
		j.w.found.add("C1", "change %s of %s in room %d was refused for good (%s) without a reason", e.ID, e.Client, e.Room, e.Word)
	}
}
