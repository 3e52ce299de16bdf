//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"chat-service/internal/test/testkit"
)

// endpoint is the application's endpoint, which is told of everything: W1.
type endpoint struct {
	*testkit.Receiver
	down atomic.Bool
}

// hooked are settings of workers that post to this machine, and try again within the time that a round has.
func hooked(env map[string]string) {
	env["CHAT_WEBHOOKS_ALLOW_PRIVATE"], env["CHAT_WEBHOOKS_RETRY"], env["CHAT_WEBHOOKS_TIMEOUT"] = "127.0.0.0/8", "200ms,500ms,1s,2s", "2s"
}

// hear makes an endpoint before there is anything to tell. At times it fails before it takes an event, and at times after.
func (w *world) hear() {
	w.hooks = &endpoint{Receiver: testkit.StartReceiver(w.t)}
	w.hooks.Answer(func(testkit.Received) int {
		switch dice := rand.IntN(200); {
		case w.hooks.down.Load(), dice < 2:
			return 0
		case dice < 4:
			return http.StatusInternalServerError
		case dice < 5:
			pause(w.t.Context(), 300*time.Millisecond)
		}
		return http.StatusNoContent
	})
	w.hooks.Register(w.t, w.Fleet)
}

// outage takes the endpoint down for the second third of a round.
func (w *world) outage(ctx context.Context, length time.Duration) {
	pause(ctx, length/3)
	w.hooks.down.Store(true)
	say("the endpoint for webhooks is down")
	pause(ctx, length/3)
	w.hooks.down.Store(false)
	say("the endpoint for webhooks is up")
}

// told tells whether the endpoint was told of everything, as far as the cursors say.
func (w *world) told() (bool, string) {
	if w.hooks == nil {
		return true, ""
	}
	var rooms, accounts int
	row := w.DB.DB.QueryRowContext(w.t.Context(), "SELECT (SELECT COUNT(*) FROM rooms r LEFT JOIN webhook_rooms c ON c.room_id = r.id"+
		" WHERE c.room_id IS NULL OR c.seq < r.last_seq OR c.change_seq < r.change_seq), (SELECT COUNT(*) FROM webhook_events)")
	if err := row.Scan(&rooms, &accounts); err != nil || rooms+accounts > 0 {
		return false, fmt.Sprintf("the endpoint lacks something of %d rooms, and %d events of accounts: %v", rooms, accounts, err)
	}
	return true, ""
}

// place is where an event stands in its room: an entry before the changes that came after it.
type place struct{ at, change uint64 }

// webhooks is W1: the endpoint took every entry, every change and every new account at least once, and nothing before what comes first in its
// room. What it took twice must be what came before.
func (j *judge) webhooks() {
	w := j.w
	if w.hooks == nil {
		return
	}
	for _, bad := range w.hooks.Bad() {
		w.found.add("W1", "a post isn't as it must be: %s", bad)
	}
	order, index := w.toTell()
	next, accounts := map[uint64]int{}, map[uint64]bool{}
	posts, repeats := 0, 0
	for _, e := range w.hooks.Events() {
		posts++
		if !e.Taken {
			continue
		}
		if e.Event.Str("type") == "user.created" {
			accounts[e.Event.Obj("data").Obj("user").Num("id")] = true
			continue
		}
		room := e.Event.Obj("data").Num("room_id")
		switch at, known := index[e.ID]; {
		case !known:
			w.found.add("W1", "the endpoint is told %s, which the database doesn't have", e.ID)
		case at > next[room]:
			w.found.add("W1", "the endpoint is told %s of room %d before %s", e.ID, room, order[room][next[room]])
			next[room] = at + 1 // what was left out is said once
		case at == next[room]:
			next[room]++
		default:
			repeats++
		}
	}
	for room, ids := range order {
		if n := next[room]; n < len(ids) {
			w.found.add("W1", "the endpoint was never told %s of room %d, nor the %d events after it", ids[n], room, len(ids)-n-1)
		}
	}
	for _, u := range w.accounts() {
		if !accounts[u] {
			w.found.add("W1", "the endpoint was never told of user %d", u)
		}
	}
	say("webhooks: %d posts of %d events in %d rooms, %d taken more than once", posts, len(index), len(order), repeats)
}

// toTell lists the events of each room in their order, and where each stands.
func (w *world) toTell() (order map[uint64][]string, index map[string]int) {
	type event struct {
		place
		id string
	}
	all := map[uint64][]event{}
	read := func(query string) {
		rows, err := w.DB.DB.QueryContext(w.t.Context(), query)
		if err != nil {
			w.t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var room, epoch, seq, at, change uint64
			if err := rows.Scan(&room, &epoch, &seq, &at, &change); err != nil {
				w.t.Fatal(err)
			}
			all[room] = append(all[room], event{place{at, change}, fmt.Sprintf("msg_%d_%d_%d_%d", room, epoch, seq, change)})
		}
		if err := rows.Err(); err != nil {
			w.t.Fatal(err)
		}
	}
	read("SELECT x.room_id, r.epoch, x.seq, x.seq, 0 FROM messages x JOIN rooms r ON r.id = x.room_id")
	read("SELECT h.room_id, r.epoch, h.seq, h.at_seq, h.change_seq FROM room_changes h JOIN rooms r ON r.id = h.room_id WHERE h.noop = ''")
	order, index = map[uint64][]string{}, map[string]int{}
	for room, es := range all {
		slices.SortFunc(es, func(a, b event) int {
			if a.at != b.at {
				return int(a.at) - int(b.at)
			}
			return int(a.change) - int(b.change)
		})
		for i, e := range es {
			order[room] = append(order[room], e.id)
			index[e.id] = i
		}
	}
	return order, index
}

func (w *world) accounts() (ids []uint64) {
	rows, err := w.DB.DB.QueryContext(w.t.Context(), "SELECT id FROM users")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id uint64
		if err := rows.Scan(&id); err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return ids
}
