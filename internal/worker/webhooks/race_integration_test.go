//go:build integration

package webhooks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/store/storetest"
	"chat-service/internal/test/testkit"
	"chat-service/internal/worker/webhooks"
)

// receiver is an endpoint that fails at times, also after it has taken an event, and knows what it took.
type receiver struct {
	mu    sync.Mutex
	taken map[chat.RoomID][]string
}

func (r *receiver) Post(ctx context.Context, p webhooks.Post) (webhooks.Answer, error) {
	dice := rand.IntN(20)
	if dice == 0 {
		return webhooks.Answer{Status: 500}, nil
	}
	room, _, _, _ := chat.ParseWebhookEventID(p.ID)
	r.mu.Lock()
	r.taken[room] = append(r.taken[room], p.ID)
	r.mu.Unlock()
	if dice == 1 {
		return webhooks.Answer{}, errors.New("the answer was lost")
	}
	return webhooks.Answer{Status: 200}, ctx.Err()
}

// TestManyDispatchersOnOneDatabase: of dispatchers that race for the same rooms, that stop and start, and whose endpoint fails, every entry
// and every change reaches it, none before those that come first.
func TestManyDispatchersOnOneDatabase(t *testing.T) {
	for _, env := range []string{storetest.MariaDB, storetest.MySQL} {
		t.Run(env, func(t *testing.T) {
			s := storetest.OpenOn(t, env, func(o *db.Options) { o.Partitions = 4 })
			race(t, s)
		})
	}
}

func race(t *testing.T, s *store.Store) {
	ctx := t.Context()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w, err := s.Webhooks.CreateWebhook(ctx, chat.Webhook{URL: "https://example.org/", Secret: make([]byte, 32)})
	ok(err)
	u, err := s.Accounts.CreateUser(ctx, chat.User{Username: "ann", Nickname: "Ann", PasswordHash: "x"})
	ok(err)
	rooms := make([]chat.RoomID, 6)
	for i := range rooms {
		m, err := s.Rooms.CreateRoom(ctx, chat.NewRoom{Owner: u.ID, Name: "r"})
		ok(err)
		rooms[i] = m.Room.ID
	}
	to := &receiver{taken: map[chat.RoomID][]string{}}
	ds := make([]*webhooks.Dispatcher, 3)
	stops := make([]func(), len(ds))
	start := func(i, boot int) {
		ds[i] = webhooks.New(webhooks.Options{
			Boot: fmt.Sprint("boot", i, ".", boot), Book: s.Webhooks, Poster: to, On: &atomic.Bool{}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			Metrics: webhooks.NewMetrics(prometheus.NewRegistry()), Retry: []time.Duration{10 * time.Millisecond, 50 * time.Millisecond}, Timeout: 250 * time.Millisecond,
			Poll: 20 * time.Millisecond, Sweep: 200 * time.Millisecond, Parallel: 4,
		})
		run, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { ds[i].Run(run) })
		stops[i] = func() { cancel(); wg.Wait() }
	}
	for i := range ds {
		start(i, 0)
	}
	for n := range 60 {
		for _, room := range rooms {
			sent, _, err := s.Messages.Append(ctx, []chat.Send{{Room: room, Sender: u.ID, Session: "s", ClientMsgID: fmt.Sprint(n), Content: "x"}}, time.Now())
			ok(err)
			if n%3 == 0 {
				_, _, err := s.Changes.Apply(ctx, []chat.Change{{
					Room: room, Seq: sent[0].Message.Seq, User: u.ID, Session: "s", ID: fmt.Sprint(n), Kind: chat.ChangeReaction, Key: "x", On: true,
				}}, time.Now())
				ok(err)
			}
			for _, d := range ds[n%2:] { // sometimes not all of them are told
				d.Woken([]chat.RoomID{room})
			}
		}
		if n%10 == 9 {
			i := n / 10 % len(ds)
			stops[i]()
			start(i, n)
		}
	}
	defer func() {
		for _, stop := range stops {
			stop()
		}
	}()
	want := map[chat.RoomID][]string{}
	for _, room := range rooms {
		cur := chat.WebhookCursor{WebhookPlace: chat.WebhookPlace{Webhook: w.ID, Room: room}}
		es, err := s.Webhooks.WebhookPage(ctx, cur, 1000)
		ok(err)
		for i := range es {
			want[room] = append(want[room], es[i].ID())
		}
		if len(want[room]) != 1+60+20 {
			t.Fatalf("room %d has %d events", room, len(want[room]))
		}
	}
	testkit.Eventually(t, 30*time.Second, func() (bool, string) {
		to.mu.Lock()
		defer to.mu.Unlock()
		for _, room := range rooms {
			if got, last := to.taken[room], want[room][len(want[room])-1]; len(got) == 0 || got[len(got)-1] != last {
				return false, fmt.Sprintf("room %d was told %d of %d", room, len(got), len(want[room]))
			}
		}
		return true, ""
	})
	to.mu.Lock()
	defer to.mu.Unlock()
	for _, room := range rooms {
		place := map[string]int{}
		for i, id := range want[room] {
			place[id] = i
		}
		next := 0 // the first that wasn't told
		for _, id := range to.taken[room] {
			if at := place[id]; at > next {
				t.Fatalf("room %d: %s came before %s", room, id, want[room][next])
			} else if at == next {
				next++
			}
		}
		if next != len(want[room]) {
			t.Errorf("room %d: %s never came", room, want[room][next])
		}
	}
	got, err := s.Webhooks.Webhook(ctx, w.ID)
	if ok(err); !got.DisabledAt.IsZero() {
		t.Errorf("disabled: %s", got.DisabledWhy)
	}
}
