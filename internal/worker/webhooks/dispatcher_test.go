package webhooks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/store/fakestore"
	fake "chat-service/internal/store/fakestore/webhooks"
	"chat-service/internal/worker/webhooks"
)

// stage is dispatchers over one store, and the endpoints that they post to.
type stage struct {
	t     *testing.T
	log   *fakestore.Store
	book  *book
	posts posts
	all   []*webhooks.Dispatcher
	ons   []*atomic.Bool
	stops []func()
	sent  int
	poll  time.Duration // of what is started next
}

// book is the store, which may fail to settle.
type book struct {
	*fake.Store
	fail atomic.Int32 // how often
}

func (b *book) SettleWebhook(ctx context.Context, x chat.WebhookSettled) error {
	if b.fail.Add(-1) >= 0 {
		return chat.E(chat.Unavailable, "the database can't answer now")
	}
	return b.Store.SettleWebhook(ctx, x)
}

// posts is the endpoints: what they were posted, and what they answer.
type posts struct {
	mu     sync.Mutex
	got    []webhooks.Post
	at     []time.Time
	answer func(ctx context.Context, p webhooks.Post) (webhooks.Answer, error)
	open   int
	most   int
}

func (p *posts) Post(ctx context.Context, x webhooks.Post) (webhooks.Answer, error) {
	p.mu.Lock()
	p.got, p.at = append(p.got, x), append(p.at, time.Now())
	answer := p.answer
	p.open++
	p.most = max(p.most, p.open)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.open--
		p.mu.Unlock()
	}()
	if answer == nil {
		return webhooks.Answer{Status: 204}, nil
	}
	return answer(ctx, x)
}

func (p *posts) answers(fn func(ctx context.Context, p webhooks.Post) (webhooks.Answer, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = fn
}

func status(n int) func(context.Context, webhooks.Post) (webhooks.Answer, error) {
	return func(context.Context, webhooks.Post) (webhooks.Answer, error) { return webhooks.Answer{Status: n}, nil }
}

// ids are the events that were posted to an address, in their order.
func (p *posts) ids(url string) (ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.got {
		if x.URL == url {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// times are when an event was posted, since the first time.
func (p *posts) times(id string) (ds []time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var first time.Time
	for i, x := range p.got {
		if x.ID == id {
			if first.IsZero() {
				first = p.at[i]
			}
			ds = append(ds, p.at[i].Sub(first))
		}
	}
	return ds
}

// peak is how many posts were under way at once, at most.
func (p *posts) peak() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most
}

func (p *posts) last() webhooks.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got[len(p.got)-1]
}

// play runs a test on a clock of its own, with one dispatcher.
func play(t *testing.T, act func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t}
		s.log = fakestore.New(fakestore.Options{AnyUser: true})
		s.book = &book{Store: fake.New(s.log, 16, time.Now)}
		s.start()
		act(s)
		for _, stop := range s.stops {
			stop()
		}
	})
}

// start starts one more dispatcher.
func (s *stage) start() (stop func()) {
	on := &atomic.Bool{}
	d := webhooks.New(webhooks.Options{
		Boot: fmt.Sprint("boot", len(s.all)), Poll: s.poll, Book: s.book, Notes: s.book, Poster: &s.posts, On: on, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Metrics: webhooks.NewMetrics(prometheus.NewRegistry()),
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { d.Run(ctx) })
	s.all, s.ons = append(s.all, d), append(s.ons, on)
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	s.stops = append(s.stops, stop)
	return stop
}

func (s *stage) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// hook makes an endpoint; the dispatchers know of it when it returns.
func (s *stage) hook(kinds ...chat.WebhookKind) chat.Webhook {
	s.t.Helper()
	hooks, err := s.book.Webhooks(s.t.Context())
	s.ok(err)
	w, err := s.book.CreateWebhook(s.t.Context(), chat.Webhook{
		URL: fmt.Sprintf("https://example.org/%d", len(hooks)), Secret: []byte(strings.Repeat("s", 32)), Kinds: kinds,
	})
	s.ok(err)
	s.wait(2 * time.Second)
	return w
}

// wait lets time pass, and everything happen that happens by then.
func (s *stage) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (s *stage) room(id chat.RoomID) chat.RoomID {
	s.log.AddRoom(chat.Room{ID: id}, 1, 2)
	return id
}

// say sends a message, and wakes the first dispatcher.
func (s *stage) say(room chat.RoomID, text string) chat.Message {
	s.t.Helper()
	m := s.quietly(room, text)
	s.all[0].Woken([]chat.RoomID{room})
	synctest.Wait()
	return m
}

// quietly sends one of which no dispatcher is told.
func (s *stage) quietly(room chat.RoomID, text string) chat.Message {
	s.t.Helper()
	s.sent++
	sent, _, err := s.log.Append(s.t.Context(), []chat.Send{{Room: room, Sender: 1, Session: "s", ClientMsgID: fmt.Sprint(s.sent), Content: text}}, time.Now())
	if s.ok(err); sent[0].Err != nil {
		s.t.Fatal(sent[0].Err)
	}
	return sent[0].Message
}

func (s *stage) change(c chat.Change) {
	s.t.Helper()
	s.sent++
	c.User, c.Session, c.ID = 1, "s", fmt.Sprint(s.sent)
	done, _, err := s.log.Apply(s.t.Context(), []chat.Change{c}, time.Now())
	if s.ok(err); done[0].Err != nil {
		s.t.Fatal(done[0].Err)
	}
	s.all[0].Woken([]chat.RoomID{c.Room})
	synctest.Wait()
}

func (s *stage) same(got, want []string) {
	s.t.Helper()
	if !slices.Equal(got, want) {
		s.t.Fatalf("got  %v\nwant %v", got, want)
	}
}

func id(room chat.RoomID, seq, change int) string {
	return fmt.Sprintf("msg_%d_1_%d_%d", room, seq, change)
}

func TestTellsAtOnceAndInOrder(t *testing.T) {
	play(t, func(s *stage) {
		room := s.room(7)
		s.say(room, "before")
		s.wait(time.Second)
		if s.ons[0].Load() {
			t.Error("somebody is to be told, and there is no endpoint")
		}
		w := s.hook()
		if !s.ons[0].Load() {
			t.Error("nobody is to be told")
		}
		began := time.Now()
		s.say(room, "a")
		s.say(room, "b")
		s.change(chat.Change{Room: room, Seq: 2, Kind: chat.ChangeReaction, Key: "x", On: true})
		s.say(room, "c")
		if took := time.Since(began); took > 0 {
			t.Errorf("took %v", took)
		}
		s.same(s.posts.ids(w.URL), []string{id(7, 2, 0), id(7, 3, 0), id(7, 2, 1), id(7, 4, 0)})
		last := s.posts.last()
		var body struct {
			Type, Timestamp string
			Data            struct {
				Room    int `json:"room_id"`
				Seq     int
				Epoch   int
				By      int
				Message struct{ Content string }
			}
		}
		s.ok(json.Unmarshal(last.Body, &body))
		if body.Type != "message.sent" || body.Data.Room != 7 || body.Data.Seq != 4 || body.Data.Epoch != 1 || body.Data.By != 1 || body.Data.Message.Content != "c" ||
			len(last.Secrets) != 1 || !last.At.Equal(time.Now()) || body.Timestamp == "" {
			t.Errorf("posted %s with %+v", last.Body, last)
		}
		as, err := s.book.WebhookAttempts(t.Context(), chat.AttemptQuery{Webhook: w.ID, Limit: 10})
		if s.ok(err); len(as) != 4 || as[0].Event != id(7, 4, 0) || as[0].Status != 204 || as[0].Try != 1 || as[0].Refusal != "" {
			t.Errorf("attempts: %+v", as)
		}
	})
}

func TestPassesOverWhatIsNotWanted(t *testing.T) {
	play(t, func(s *stage) {
		w, room := s.hook(chat.WebhookReactionAdded), s.room(7)
		for range 100 {
			s.quietly(room, "x")
		}
		s.change(chat.Change{Room: room, Seq: 50, Kind: chat.ChangeReaction, Key: "x", On: true})
		s.say(room, "y")
		s.same(s.posts.ids(w.URL), []string{id(7, 50, 1)})
	})
}

// TestTries: an event is tried by the table of Standard Webhooks, and an endpoint that takes nothing for 75 hours is disabled.
func TestTries(t *testing.T) {
	play(t, func(s *stage) {
		s.stops[0]()
		s.poll, s.all, s.ons = 20*time.Second, nil, nil // of many days
		s.start()
		w := s.hook()
		s.wait(20 * time.Second)
		s.posts.answers(status(500))
		s.say(s.room(7), "a")
		s.wait(200 * time.Hour)
		got := s.posts.times(id(7, 1, 0))
		if len(got) != 10 {
			t.Fatalf("tried after %v", got)
		}
		var least time.Duration
		for i, wait := range webhooks.Retries() {
			least += wait
			if most := least + least/10 + 20*time.Second*time.Duration(i+1); got[i+1] < least || got[i+1] > most {
				t.Errorf("try %d came after %v, want %v to %v", i+2, got[i+1], least, most)
			}
		}
		now, err := s.book.Webhook(t.Context(), w.ID)
		if s.ok(err); now.DisabledAt.IsZero() || now.DisabledWhy != "it took nothing for 75h0m0s" {
			t.Errorf("the endpoint: %+v", now)
		}
		as, err := s.book.WebhookAttempts(t.Context(), chat.AttemptQuery{Webhook: w.ID, Limit: 1})
		if s.ok(err); as[0].Try != 10 || as[0].Status != 500 || as[0].Refusal != "answered 500" {
			t.Errorf("the last attempt: %+v", as)
		}
		if s.ons[0].Load() {
			t.Error("somebody is to be told")
		}
	})
}

// TestHoldsBack: an event that fails holds its room back, at that endpoint, and nothing else.
func TestHoldsBack(t *testing.T) {
	play(t, func(s *stage) {
		bad, good := s.hook(), s.hook()
		s.room(7)
		s.room(8)
		s.posts.answers(func(_ context.Context, p webhooks.Post) (webhooks.Answer, error) {
			if p.URL == bad.URL && p.ID == id(7, 1, 0) {
				return webhooks.Answer{}, errors.New("no answer")
			}
			return webhooks.Answer{Status: 200}, nil
		})
		s.say(7, "a")
		s.say(7, "b")
		s.say(8, "c")
		s.same(s.posts.ids(bad.URL), []string{id(7, 1, 0), id(8, 1, 0)})
		s.same(s.posts.ids(good.URL), []string{id(7, 1, 0), id(7, 2, 0), id(8, 1, 0)})
		s.wait(time.Minute)
		s.posts.answers(status(200))
		s.wait(time.Minute)
		s.same(s.posts.ids(bad.URL), []string{id(7, 1, 0), id(8, 1, 0), id(7, 1, 0)})
		s.wait(5 * time.Minute)
		s.same(s.posts.ids(bad.URL), []string{id(7, 1, 0), id(8, 1, 0), id(7, 1, 0), id(7, 1, 0), id(7, 2, 0)})
	})
}

// TestRecovers: what waits for its next try is posted as soon as an endpoint that was down takes something.
func TestRecovers(t *testing.T) {
	play(t, func(s *stage) {
		w := s.hook()
		s.room(7)
		s.room(8)
		s.posts.answers(status(503))
		s.say(7, "a")
		s.wait(3 * time.Hour) // the next try is hours away
		s.posts.answers(status(200))
		s.say(8, "b")
		s.wait(2 * time.Second)
		if ids := s.posts.ids(w.URL); !slices.Equal(ids[len(ids)-2:], []string{id(8, 1, 0), id(7, 1, 0)}) {
			t.Errorf("posted %v", ids)
		}
		if now, _ := s.book.Webhook(t.Context(), w.ID); !now.FailingSince.IsZero() {
			t.Errorf("it is still failing: %+v", now)
		}
	})
}

// TestGone: 410 disables an endpoint at once. When it is enabled it is told of what happened meanwhile.
func TestGone(t *testing.T) {
	play(t, func(s *stage) {
		w := s.hook()
		s.room(7)
		s.room(8)
		s.posts.answers(status(410))
		s.say(7, "a")
		s.wait(time.Hour)
		s.say(7, "b")
		s.say(8, "c")
		s.wait(time.Hour)
		s.same(s.posts.ids(w.URL), []string{id(7, 1, 0)})
		if now, _ := s.book.Webhook(t.Context(), w.ID); now.DisabledWhy != "it answered 410 Gone" {
			t.Errorf("the endpoint: %+v", now)
		}
		s.posts.answers(status(200))
		off := false
		_, err := s.book.UpdateWebhook(t.Context(), w.ID, chat.WebhookPatch{Disabled: &off})
		s.ok(err)
		s.wait(30 * time.Second)
		got := s.posts.ids(w.URL)
		slices.Sort(got)
		s.same(got, []string{id(7, 1, 0), id(7, 1, 0), id(7, 2, 0), id(8, 1, 0)})
	})
}

// TestHangs: an endpoint that doesn't answer holds up no other one, and gets few posts at once.
func TestHangs(t *testing.T) {
	play(t, func(s *stage) {
		bad, good := s.hook(), s.hook()
		s.posts.answers(func(ctx context.Context, p webhooks.Post) (webhooks.Answer, error) {
			if p.URL == good.URL {
				return webhooks.Answer{Status: 200}, nil
			}
			select {
			case <-ctx.Done():
				return webhooks.Answer{}, ctx.Err()
			case <-time.After(15 * time.Second):
				return webhooks.Answer{Took: 15 * time.Second}, errors.New("no answer within 15s")
			}
		})
		for i := range chat.RoomID(100) {
			s.say(s.room(i+1), "a")
		}
		s.wait(time.Second)
		if n := len(s.posts.ids(good.URL)); n != 100 {
			t.Errorf("the good one got %d", n)
		}
		if most := s.posts.peak(); most != 16+1 {
			t.Errorf("%d posts at once", most)
		}
		s.wait(20 * time.Second)
		before := len(s.posts.ids(bad.URL))
		s.wait(60 * time.Second)
		if n := len(s.posts.ids(bad.URL)) - before; n < 6 || n > 10 {
			t.Errorf("in a minute the bad one got %d posts, want 2 each 15 s", n)
		}
	})
}

// TestPace: so many posts in a second, however much there is to tell.
func TestPace(t *testing.T) {
	play(t, func(s *stage) {
		w := s.hook()
		for i := range chat.RoomID(20) {
			s.room(i + 1)
			for range 100 {
				s.quietly(i+1, "x")
			}
			s.all[0].Woken([]chat.RoomID{i + 1})
		}
		synctest.Wait()
		before := len(s.posts.ids(w.URL))
		s.wait(2 * time.Second)
		if n := len(s.posts.ids(w.URL)) - before; before > 50 || n < 700 || n > 800 {
			t.Errorf("%d posts at once, and %d in two seconds", before, n)
		}
		s.wait(4 * time.Second)
		if n := len(s.posts.ids(w.URL)); n != 2000 {
			t.Errorf("%d posts in all", n)
		}
	})
}

// TestPaceGivesWay: while more events occur than can be posted, a quarter of the posts, and the rest when it is over.
func TestPaceGivesWay(t *testing.T) {
	play(t, func(s *stage) {
		w := s.hook()
		const rooms = 500
		for i := range chat.RoomID(rooms) {
			s.room(i + 1)
		}
		told := 0
		for second := range 6 {
			for i := range chat.RoomID(rooms) {
				s.quietly(i+1, "x")
				s.all[0].Woken([]chat.RoomID{i + 1})
			}
			s.wait(time.Second)
			n := len(s.posts.ids(w.URL)) - told
			if told += n; second >= 2 && (n < 80 || n > 110) {
				t.Errorf("second %d: %d posts", second, n)
			}
		}
		s.wait(2 * time.Second) // it is noticed within one
		told = len(s.posts.ids(w.URL))
		s.wait(2 * time.Second)
		if n := len(s.posts.ids(w.URL)) - told; n < 700 || n > 800 {
			t.Errorf("%d posts in two seconds when it was over", n)
		}
		s.wait(5 * time.Second)
		if n := len(s.posts.ids(w.URL)); n != 6*rooms {
			t.Errorf("%d posts in all", n)
		}
	})
}

// TestRecallBetweenTries: what was recalled isn't told any more.
func TestRecallBetweenTries(t *testing.T) {
	play(t, func(s *stage) {
		s.hook()
		s.posts.answers(status(500))
		s.say(s.room(7), "secret")
		if !strings.Contains(string(s.posts.last().Body), "secret") {
			t.Fatalf("posted %s", s.posts.last().Body)
		}
		s.change(chat.Change{Room: 7, Seq: 1, Kind: chat.ChangeRecall})
		s.posts.answers(status(200))
		s.wait(10 * time.Second)
		s.posts.mu.Lock()
		defer s.posts.mu.Unlock()
		if len(s.posts.got) != 3 || s.posts.got[1].ID != id(7, 1, 0) || s.posts.got[2].ID != id(7, 1, 1) {
			t.Fatalf("posted %+v", s.posts.got)
		}
		for _, p := range s.posts.got[1:] {
			if strings.Contains(string(p.Body), "secret") || !strings.Contains(string(p.Body), `"recalled":`) {
				t.Errorf("posted %s", p.Body)
			}
		}
	})
}

// TestFindsWhatNobodyToldOf: what another release's worker commits, or one that died, is found by the walk.
func TestFindsWhatNobodyToldOf(t *testing.T) {
	play(t, func(s *stage) {
		w := s.hook()
		s.quietly(s.room(7), "a")
		s.say(s.room(8), "b")
		s.wait(20 * time.Second)
		s.same(s.posts.ids(w.URL), []string{id(8, 1, 0), id(7, 1, 0)})
		s.quietly(7, "c")
		s.wait(20 * time.Second)
		s.same(s.posts.ids(w.URL)[2:], []string{id(7, 2, 0)})
	})
}

// TestManyDispatchers: of several that are told of the same rooms one posts, and order holds.
func TestManyDispatchers(t *testing.T) {
	play(t, func(s *stage) {
		w := s.hook()
		s.start()
		s.start()
		s.posts.answers(func(context.Context, webhooks.Post) (webhooks.Answer, error) {
			<-time.After(time.Millisecond)
			return webhooks.Answer{Status: 200}, nil
		})
		for i := range chat.RoomID(5) {
			s.room(i + 1)
		}
		var want []string
		for n := range 50 {
			for r := range chat.RoomID(5) {
				s.quietly(r+1, "x")
				want = append(want, id(r+1, n+1, 0))
				for _, d := range s.all {
					d.Woken([]chat.RoomID{r + 1})
				}
			}
			<-time.After(3 * time.Millisecond)
		}
		s.wait(10 * time.Second)
		got := s.posts.ids(w.URL)
		seqs := map[chat.RoomID]chat.Seq{}
		for _, g := range got {
			room, seq, _, _ := chat.ParseWebhookEventID(g)
			if seq != seqs[room]+1 {
				t.Fatalf("room %d: %d after %d", room, seq, seqs[room])
			}
			seqs[room] = seq
		}
		if len(got) != len(want) {
			t.Errorf("%d posts, want %d", len(got), len(want))
		}
	})
}

// TestStops: a post that is under way when a process stops is posted again by another one, at once.
func TestStops(t *testing.T) {
	play(t, func(s *stage) {
		w := s.hook()
		s.posts.answers(func(ctx context.Context, _ webhooks.Post) (webhooks.Answer, error) {
			<-ctx.Done()
			return webhooks.Answer{}, ctx.Err()
		})
		s.say(s.room(7), "a")
		s.stops[0]()
		s.posts.answers(status(200))
		s.start()
		s.wait(2 * time.Second)
		s.same(s.posts.ids(w.URL), []string{id(7, 1, 0), id(7, 1, 0)})
		as, err := s.book.WebhookAttempts(t.Context(), chat.AttemptQuery{Webhook: w.ID, Limit: 10})
		if s.ok(err); len(as) != 1 || as[0].Try != 1 {
			t.Errorf("attempts: %+v", as)
		}
	})
}

// TestDies: a process that dies between an answer and the moving of the cursor has the event posted once more, when its claim is over.
func TestDies(t *testing.T) {
	play(t, func(s *stage) {
		w := s.hook()
		s.book.fail.Store(1)
		s.say(s.room(7), "a")
		s.stops[0]()
		s.start()
		s.wait(50 * time.Second)
		s.same(s.posts.ids(w.URL), []string{id(7, 1, 0)})
		s.wait(15 * time.Second)
		s.same(s.posts.ids(w.URL), []string{id(7, 1, 0), id(7, 1, 0)})
		s.quietly(7, "b")
		s.all[1].Woken([]chat.RoomID{7})
		s.wait(time.Second)
		s.same(s.posts.ids(w.URL)[2:], []string{id(7, 2, 0)})
	})
}

func TestAccounts(t *testing.T) {
	play(t, func(s *stage) {
		w := s.hook(chat.WebhookUserCreated)
		all := s.hook()
		u, err := s.log.CreateUser(t.Context(), chat.User{Username: "ann", Nickname: "Ann", Email: "ann@example.org"})
		s.ok(err)
		s.ok(s.log.DisableUser(t.Context(), u.ID))
		s.wait(3 * time.Second)
		if got := s.posts.ids(w.URL); len(got) != 1 || !strings.HasSuffix(got[0], "_created") {
			t.Errorf("posted %v", got)
		}
		got := s.posts.ids(all.URL)
		if len(got) != 2 || got[0] != s.posts.ids(w.URL)[0] || !strings.HasSuffix(got[1], "_disabled") {
			t.Errorf("posted %v", got)
		}
		if body := string(s.posts.last().Body); !strings.Contains(body, `"username":"ann"`) || strings.Contains(body, "example.org") {
			t.Errorf("posted %s", body)
		}
		s.wait(time.Hour)
		if n := len(s.posts.ids(all.URL)); n != 2 {
			t.Errorf("posted %d times", n)
		}
	})
}

// TestPresence: who came and went is told to endpoints that name it, to no others, and no more of it than is bounded.
func TestPresence(t *testing.T) {
	play(t, func(s *stage) {
		u, err := s.log.CreateUser(t.Context(), chat.User{Username: "ann", Nickname: "Ann", Email: "ann@example.org"})
		s.ok(err)
		all := s.hook()
		s.all[0].Shown([]chat.UserID{u.ID}, true) // nobody wants to know
		w := s.hook(chat.WebhookUserOnline, chat.WebhookUserOffline)
		s.all[0].Shown([]chat.UserID{u.ID}, true)
		s.all[0].Shown([]chat.UserID{u.ID}, false)
		s.wait(3 * time.Second)
		if got := s.posts.ids(w.URL); len(got) != 2 || !strings.HasSuffix(got[0], "_online") || !strings.HasSuffix(got[1], "_offline") {
			t.Errorf("posted %v", got)
		}
		if got := s.posts.ids(all.URL); len(got) != 0 {
			t.Errorf("posted %v to an endpoint that names no event", got)
		}
		if body := string(s.posts.last().Body); !strings.Contains(body, `"type":"user.offline"`) || !strings.Contains(body, `"username":"ann"`) {
			t.Errorf("posted %s", body)
		}
		s.all[0].Shown(slices.Repeat([]chat.UserID{u.ID}, 5000), true)
		s.wait(time.Minute)
		if got := len(s.posts.ids(w.URL)); got != 2+4096 {
			t.Errorf("posted %d", got)
		}
	})
}

func TestReplays(t *testing.T) {
	play(t, func(s *stage) {
		w := s.hook()
		s.room(7)
		for range 3 {
			s.say(7, "x")
		}
		_, _, err := s.book.ReplayWebhook(t.Context(), w.ID, chat.WebhookReplay{Event: id(7, 2, 0)})
		s.ok(err)
		s.wait(2 * time.Second)
		s.same(s.posts.ids(w.URL)[3:], []string{id(7, 2, 0), id(7, 3, 0)})
	})
}
