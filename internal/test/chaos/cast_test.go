//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/history"
)

// findings are what the world's own rules have found, and what its extras do.
type findings struct {
	list findingList
	acts []func(context.Context)
	// out are users who are out of a room, or in and out again and again: how far they come is not waited for.
	out map[uint64][]uint64
}

func (f *findings) add(rule, format string, args ...any) { f.list.add(rule, format, args...) }

func (f *findings) act(a func(context.Context)) { f.acts = append(f.acts, a) }

func (f *findings) gone(room uint64) []uint64 { return f.out[room] }

func (f *findings) goes(room, user uint64) {
	if f.out == nil {
		f.out = map[uint64][]uint64{}
	}
	f.out[room] = append(f.out[room], user)
}

// cast adds special members to the rooms' crowds and returns what gives them their clients once the rooms are there.
func (w *world) cast(crowd [][]testkit.User) func(map[uint64][]*room) {
	if w.o.Quiet {
		return nil
	}
	const wanderers, exiles, readers, watchers, listeners, pipers, posters, amenders, pagers = 8, 4, 6, 6, 4, 4, 6, 4, 4
	us := w.users(wanderers + exiles + readers + watchers + listeners + pipers + posters + amenders + pagers + 2)
	take := func(n int) (some []testkit.User) {
		some, us = us[:n], us[n:]
		return some
	}
	n := 0
	in := func(users []testkit.User, hot bool) []testkit.User {
		for _, u := range users {
			n++
			home := 1 + n%(len(crowd)-1)
			crowd[home] = append(crowd[home], u)
			if hot {
				crowd[0] = append(crowd[0], u)
			}
		}
		return users
	}
	ws, es, rs := in(take(wanderers), true), in(take(exiles), false), in(take(readers), true)
	hs, ls, ps, os := in(take(watchers), false), in(take(listeners), true), in(take(pipers), false), in(take(posters), false)
	as, gs := in(take(amenders), true), in(take(pagers), true)
	twin, pair := in(take(1), true)[0], in(take(1), false)[0]
	return func(homes map[uint64][]*room) {
		for i, u := range ws {
			w.wanderer(i, u, homes[u.ID])
		}
		for i, u := range es {
			w.exile(i, u, homes[u.ID])
		}
		for i, u := range rs {
			w.reader(i, u, homes[u.ID])
		}
		for i, u := range ls {
			w.listener(i, u)
		}
		for i, u := range ps {
			w.piper(i, u, homes[u.ID])
		}
		for i, u := range os {
			w.poster(i, u, homes[u.ID])
		}
		for i, u := range as {
			if !w.o.Plain {
				w.amender(i, u, homes[u.ID])
			}
		}
		for i, u := range gs {
			w.pager(i, u, homes[u.ID])
		}
		if !w.o.Plain {
			w.changers(changesPerSecond)
		}
		w.twins(twin, homes[twin.ID])
		w.pairUp(pair, homes[pair.ID], hs)
		for i, u := range hs {
			w.watcher(i, u, homes[u.ID])
		}
	}
}

// changesPerSecond is how many changes the speakers ask for.
const changesPerSecond = 40

func (w *world) rnd(n int) *rand.Rand { return rand.New(rand.NewPCG(w.o.Seed, uint64(1000+n))) }

func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)))
}

// insist repeats a REST write until it is answered with success or with one of the settled statuses; ok tells of success.
func (w *world) insist(ctx context.Context, method, path string, u testkit.User, body any, settled ...int) (ok bool) {
	for ctx.Err() == nil {
		rctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		r, err := w.api.Call(rctx, method, path, u.Token, body)
		cancel()
		if err == nil && r.Status < 300 {
			return true
		}
		for _, s := range settled {
			if err == nil && r.Status == s {
				return false
			}
		}
		pause(ctx, 150*time.Millisecond)
	}
	return false
}

// wanderer leaves his rooms, or is kicked, and comes back, again and again. He says nothing.
func (w *world) wanderer(i int, u testkit.User, rooms []*room) {
	name := "wanderer-" + strconv.Itoa(i)
	w.enter(name, u, nil)
	for _, rm := range rooms {
		w.found.goes(rm.id, u.ID)
	}
	r := w.rnd(i)
	w.found.act(func(ctx context.Context) {
		for ctx.Err() == nil {
			rm := rooms[r.IntN(len(rooms))]
			pause(ctx, between(r, 500*time.Millisecond, 3*time.Second))
			by, who := rm.owner.User, strconv.FormatUint(u.ID, 10)
			if r.IntN(2) == 0 {
				by, who = u, "me"
			}
			w.remove(ctx, rm, by, who, u)
			pause(ctx, between(r, 200*time.Millisecond, 3*time.Second))
			if ctx.Err() == nil || r.IntN(2) == 0 { // some end outside
				w.insist(ctx, http.MethodPost, fmt.Sprintf("/rooms/%d/members", rm.id), rm.owner.User, obj{"member_ids": []uint64{u.ID}})
			}
		}
	})
}

type removal struct{ room, user uint64 }

// remove ends a membership and counts what the api confirmed.
func (w *world) remove(ctx context.Context, rm *room, by testkit.User, who string, u testkit.User) {
	if w.insist(ctx, http.MethodDelete, fmt.Sprintf("/rooms/%d/members/%s", rm.id, who), by, nil, http.StatusNotFound, http.StatusForbidden) {
		n, _ := w.removed.LoadOrStore(removal{rm.id, u.ID}, new(int64))
		*n.(*int64)++ // by this user's goroutine only
	}
}

// exile is kicked once, for good, and goes on sending.
func (w *world) exile(i int, u testkit.User, rooms []*room) {
	p := w.enter("exile-"+strconv.Itoa(i), u, nil)
	for _, rm := range rooms {
		w.found.goes(rm.id, u.ID)
	}
	r := w.rnd(100 + i)
	w.found.act(func(ctx context.Context) {
		pause(ctx, between(r, 500*time.Millisecond, 2*time.Second))
		for _, rm := range rooms {
			w.remove(ctx, rm, rm.owner.User, strconv.FormatUint(u.ID, 10), u)
		}
		w.wg.Go(func() { w.lurk(ctx, p.name, u, rooms) })
		for n := int64(0); ctx.Err() == nil; n++ {
			p.c.Send(rooms[r.IntN(len(rooms))].id, words(r, n))
			pause(ctx, between(r, 500*time.Millisecond, 2*time.Second))
		}
	})
}

// reader marks rooms as read by REST and looks at his unread counts. He says nothing, so that his pointer is where he put
// it.
func (w *world) reader(i int, u testkit.User, rooms []*room) {
	p := w.enter("reader-"+strconv.Itoa(i), u, nil)
	p.rooms = rooms
	r := w.rnd(200 + i)
	look := &looks{user: u.ID}
	w.found.list.looks = append(w.found.list.looks, look)
	w.found.act(func(ctx context.Context) {
		for ctx.Err() == nil {
			pause(ctx, between(r, 200*time.Millisecond, time.Second))
			rm := rooms[r.IntN(len(rooms))]
			if have := p.c.Have(rm.id); have > 0 && r.IntN(3) == 0 {
				w.insist(ctx, http.MethodPut, fmt.Sprintf("/rooms/%d/read", rm.id), u, obj{"seq": have})
				look.read(rm.id, have)
			}
			w.look(ctx, u, rooms, look)
		}
	})
}

// poster sends by REST.
func (w *world) poster(i int, u testkit.User, rooms []*room) {
	name := "poster-" + strconv.Itoa(i)
	r := w.rnd(300 + i)
	w.found.act(func(ctx context.Context) {
		for n := uint64(1); ctx.Err() == nil; n++ {
			rm, id, text := rooms[r.IntN(len(rooms))], fmt.Sprintf("%s.%d", name, n), words(r, int64(n))
			w.h.Add(history.Event{Kind: history.Sent, Client: name, User: u.ID, Room: rm.id, ID: id, Content: text, Number: n})
			w.post(ctx, name, u, rm.id, id, text)
			if !w.o.Posts {
				pause(ctx, between(r, 200*time.Millisecond, time.Second))
			}
		}
	})
}

// twins are two clients of one user whose client_msg_ids differ by case only.
func (w *world) twins(u testkit.User, rooms []*room) {
	one, two := w.enter("twin", u, nil), w.enter("TWIN", u, nil)
	one.rooms, two.rooms = rooms, rooms
	r := w.rnd(400)
	w.found.act(func(ctx context.Context) {
		for n := int64(0); ctx.Err() == nil; n++ {
			rm := rooms[r.IntN(len(rooms))]
			one.c.Send(rm.id, "one "+words(r, n))
			two.c.Send(rm.id, "two "+words(r, n))
			pause(ctx, between(r, 300*time.Millisecond, time.Second))
		}
	})
}

// visitor begins the names of clients that come and go.
const visitor = "visitor-"

// pairUp has a user with one client that stays and others that come and go. The watchers are in his room.
func (w *world) pairUp(u testkit.User, rooms []*room, watchers []testkit.User) {
	rm := rooms[0]
	w.api.Must(w.t, http.StatusOK, http.MethodPost, fmt.Sprintf("/rooms/%d/members", rm.id), rm.owner.Token, obj{"member_ids": testkit.IDs(watchers...)})
	w.enter("pair", u, nil).rooms = rooms
	w.found.list.watched = append(w.found.list.watched, u.ID)
	r := w.rnd(500)
	w.found.act(func(ctx context.Context) {
		for n := 1; ctx.Err() == nil; n++ {
			c := testkit.StartChatter(w.t, testkit.ChatterOptions{
				Name: visitor + strconv.Itoa(n), User: u.ID, URL: w.url(n),
				Token: func() string { return u.Token }, History: w.h, Seed: uint64(n), Backoff: 200 * time.Millisecond,
			})
			pause(ctx, between(r, time.Second, 3*time.Second))
			c.Stop()
			pause(ctx, between(r, 500*time.Millisecond, 5*time.Second))
		}
	})
}

// watcher watches who is online.
func (w *world) watcher(i int, u testkit.User, rooms []*room) {
	ids := append([]uint64{}, w.found.list.watched...)
	for _, rm := range rooms {
		for _, p := range rm.speakers {
			ids = append(ids, p.ID)
		}
	}
	p := w.enter("watcher-"+strconv.Itoa(i), u, func(o *testkit.ChatterOptions) { o.Watch = ids })
	p.rooms = rooms
}
