package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/store/fakestore"
)

// fakes are the store's fake, and Redis and the broker in memory, with switches for their failures.
type fakes struct {
	store *fakestore.Store

	mu         sync.Mutex
	call       func() // has the worker look at the outbox
	slow       func() // before and after what Redis is asked for rooms; nil: at once
	routes     map[chat.RoomID]chat.Route
	sockets    []chat.Socket
	redisAway  bool // Unregister fails
	up         time.Time
	unable     error // why it can't consume
	lapsed     []chat.GatewayID
	lapsedFor  bool // for good, also when they are buried
	revived    []chat.GatewayID
	buried     map[chat.GatewayID][]chat.UserID
	gen        string
	later      []grace
	unheard    int // registrations that fail
	blind      int
	halfBuried bool          // the next Bury fails after it has found its users
	deaf       int           // times that a gateway's heartbeat can't be booked
	beats      int           // booked ones
	due        []chat.UserID // offline, for the next sweep
	spent      []chat.Taken  // what was reported of allowances
	used       map[string]time.Duration
	noSpend    error

	sent   chan envelope.Delivery // everything that reached the bus, in order
	to     []chat.GatewayID       // beside sent: "" for all
	noConf bool                   // confirms are kept back
	held   []func(error)
	lost   map[chat.GatewayID]bool // queues that are gone
}

const (
	poisoned = chat.RoomID(666) // looking it up panics
	writer   = chat.UserID(9)   // the member by whom REST writes are made
)

// newFakes has every user there. Sessions are named after theirs, as "5" and "5b".
func newFakes() *fakes {
	w := &fakes{
		routes: map[chat.RoomID]chat.Route{}, up: time.Now().Add(-time.Hour), gen: "g1", buried: map[chat.GatewayID][]chat.UserID{},
		sent: make(chan envelope.Delivery, 10_000), lost: map[chat.GatewayID]bool{},
	}
	w.store = fakestore.New(fakestore.Options{
		Partitions: 4, AnyUser: true, AnySession: func(id chat.SessionID) (chat.UserID, bool) {
			n, _ := strconv.ParseUint(strings.TrimRight(string(id), "ab"), 10, 64)
			return chat.UserID(n), true
		},
	})
	w.store.Poison("", poisoned)
	return w
}

// room puts a private room there, as if it were old: its log is empty, and nothing of it is to be announced.
func (w *fakes) room(id chat.RoomID, members ...chat.UserID) {
	w.store.AddRoom(chat.Room{ID: id}, members...)
}

var errDown = chat.E(chat.Unavailable, "mysql is unavailable")

// post is a REST write of the writer: a message with its outbox row.
func (w *fakes) post(t *testing.T, room chat.RoomID) chat.Message {
	t.Helper()
	id := fmt.Sprint("rest-", len(w.store.Log(room)))
	sent, err := w.store.Post(t.Context(), chat.Send{Room: room, Sender: writer, ClientMsgID: id, Content: "rest"}, time.Now())
	if err != nil || sent.Err != nil {
		t.Fatal(err, sent.Err)
	}
	return sent.Message
}

// revoke ends a session without an announcement, as if that were lost.
func (w *fakes) revoke(id chat.SessionID, user chat.UserID) {
	w.store.AddSession(chat.Session{ID: id, User: user, RevokedAt: time.Now()})
}

// waiting returns the outbox.
func (w *fakes) waiting(t *testing.T) []envelope.Announcement {
	t.Helper()
	rows, err := w.store.Outbox(t.Context(), []int{0, 1, 2, 3}, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// takes lets a question take its time: before it is looked up, and before the answer is there.
func (w *fakes) takes() func() {
	w.mu.Lock()
	slow := w.slow
	w.mu.Unlock()
	if slow == nil {
		return func() {}
	}
	slow()
	return slow
}

// AwaitCalls never calls by itself: a test calls through w.call.
func (w *fakes) AwaitCalls(ctx context.Context, called func(), live func(bool)) {
	w.mu.Lock()
	w.call = called
	w.mu.Unlock()
	live(true)
	<-ctx.Done()
}

func (w *fakes) Register(_ context.Context, ss []chat.Socket) (out []chat.Registration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unheard > 0 {
		w.unheard--
		return nil, chat.E(chat.Unavailable, "redis is unavailable")
	}
	for _, s := range ss {
		r := chat.Registration{First: !slices.ContainsFunc(w.sockets, func(o chat.Socket) bool { return o.User == s.User })}
		w.sockets = append(w.sockets, s)
		for _, o := range w.sockets {
			if o.Session == s.Session {
				r.OfSession = append(r.OfSession, o)
			}
			if o.User == s.User {
				r.OfUser = append(r.OfUser, o)
			}
		}
		out = append(out, r)
	}
	return out, nil
}

func (w *fakes) Unregister(_ context.Context, ss []chat.Socket) (left []int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.redisAway {
		return nil, chat.E(chat.Unavailable, "redis is unavailable")
	}
	for _, x := range ss {
		w.sockets = slices.DeleteFunc(w.sockets, func(s chat.Socket) bool { return s.User == x.User && s.Gateway == x.Gateway && s.Socket == x.Socket })
		n := 0
		for _, s := range w.sockets {
			if s.User == x.User {
				n++
			}
		}
		left = append(left, n)
	}
	return left, nil
}

func (w *fakes) Online(_ context.Context, us []chat.UserID) (ps []chat.Presence, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range us {
		ps = append(ps, chat.Presence{User: u, Known: true, Online: slices.ContainsFunc(w.sockets, func(s chat.Socket) bool { return s.User == u })})
	}
	return ps, nil
}

func (w *fakes) OfflineLater(_ context.Context, us []chat.UserID, at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range us {
		w.later = append(w.later, grace{u, at})
	}
	return nil
}

func (w *fakes) OfflineDue(context.Context, []int, time.Time, int) ([]chat.UserID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	due := w.due
	w.due = nil
	return due, nil
}

func (w *fakes) BeatGateway(context.Context, chat.GatewayID, time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf > 0 {
		w.deaf--
		return errDown
	}
	w.beats++
	return nil
}

func (w *fakes) Leases(context.Context) (live, lapsed []chat.GatewayID, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return nil, slices.Clone(w.lapsed), nil
}

func (w *fakes) Bury(_ context.Context, g chat.GatewayID, _ int) ([]chat.UserID, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	us := w.buried[g]
	delete(w.buried, g)
	if w.halfBuried {
		w.halfBuried = false
		return us, false, errDown
	}
	if !w.lapsedFor {
		w.lapsed = slices.DeleteFunc(w.lapsed, func(x chat.GatewayID) bool { return x == g })
	}
	return us, true, nil
}

func (w *fakes) Revived(context.Context, int) ([]chat.GatewayID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	gs := w.revived
	w.revived = nil
	return gs, nil
}

func (w *fakes) Blind(context.Context, time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blind++
	return nil
}

// grace is a user who is to be announced as offline.
type grace struct {
	user chat.UserID
	at   time.Time
}

func (w *fakes) Generation(context.Context) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gen, nil
}

func (w *fakes) MoveRoutes(context.Context, []chat.RouteMove) error           { return nil }
func (w *fakes) DropRoute(context.Context, chat.RoomID, chat.GatewayID) error { return nil }
func (w *fakes) Count(context.Context, []chat.Head, []chat.Message) error     { return nil }
func (w *fakes) Outdate(context.Context, []chat.RoomID) error                 { return nil }
func (w *fakes) Spend(_ context.Context, _ chat.Rate, taken []chat.Taken) ([]time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spent = append(w.spent, taken...)
	used := make([]time.Duration, len(taken))
	for i, t := range taken {
		used[i] = w.used[t.Key]
	}
	return used, w.noSpend
}

func (w *fakes) Routes(_ context.Context, ids []chat.RoomID) (map[chat.RoomID]chat.Route, error) {
	defer w.takes()()
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[chat.RoomID]chat.Route{}
	for _, id := range ids {
		out[id] = w.routes[id]
	}
	return out, nil
}

func (w *fakes) take(to chat.GatewayID, batch []byte, done func(error)) error {
	records, err := envelope.Records(batch)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost[to] {
		go done(chat.E(chat.NotFound, "queue"))
		return nil
	}
	for _, r := range records {
		d, err := envelope.DecodeDelivery(r)
		if err != nil {
			return err
		}
		w.to = append(w.to, to)
		w.sent <- d
	}
	if w.noConf {
		w.held = append(w.held, done)
		return nil
	}
	go done(nil)
	return nil
}

func (w *fakes) ToGateway(g chat.GatewayID, b []byte, done func(error)) error {
	return w.take(g, b, done)
}
func (w *fakes) ToAll(b []byte, done func(error)) error { return w.take("", b, done) }
func (w *fakes) Set(_, _ []int)                         {}
func (w *fakes) Active(int) bool                        { return false }
func (w *fakes) Yield(int)                              {}
func (w *fakes) Able() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unable
}

func (w *fakes) Up() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.up
}

// make makes a worker over the world, with quick timings and four partitions; start runs it.
func (w *fakes) make(t *testing.T, tune ...func(*Options)) *Worker {
	t.Helper()
	o := Options{
		Boot: "me", Partitions: 4, Metrics: NewMetrics(prometheus.NewRegistry()), Log: w.store, Outbox: w.store, Members: w.store, Accounts: w.store,
		History: w.store, Workers: w.store, Chores: w.store, Routes: w, Changes: w.store, Allowances: w, Calls: w, Presence: w, Registry: w, Leases: w, Bus: w, Consume: w,
		OutboxPoll: time.Millisecond, Beat: 5 * time.Millisecond,
		DeadAfter: time.Second, GiveUp: 30 * time.Millisecond, OfflineGrace: 8 * time.Second,
		MaxSockets: 10, MaxSyncRooms: 100, PeerReads: 50, Limits: chat.DefaultLimits(), ProtocolLimit: protocol.DefaultLimits(),
	}
	for _, f := range tune {
		f(&o)
	}
	k, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (w *fakes) start(t *testing.T, tune ...func(*Options)) *Worker {
	t.Helper()
	k := w.make(t, tune...)
	w.run(t, k)
	return k
}

// run sets a made worker to work until the test ends.
func (w *fakes) run(t *testing.T, k *Worker) {
	t.Helper()
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := k.Stop(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop: %v", err)
		}
	})
}

// next returns the next delivery of a kind.
func (w *fakes) next(t *testing.T, kind envelope.DeliveryKind) envelope.Delivery {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case d := <-w.sent:
			if d.Kind == kind {
				return d
			}
		case <-deadline:
			t.Fatalf("no delivery of kind %d within 10 s", kind)
		}
	}
}

// give hands commands to the worker as one batch; the channel closes when it is acknowledged.
func give(k *Worker, again bool, cmds ...envelope.Command) chan struct{} {
	acked := make(chan struct{})
	var rs [][]byte
	p := 0
	for i := range cmds {
		rs = append(rs, cmds[i].Append(nil))
		if cmds[i].Room != 0 {
			p = cmds[i].Room.Partition(4)
		}
	}
	k.Take(envelope.Batch{Partition: p, Gen: 1, Body: envelope.Frame(nil, rs), Redelivered: again, Ack: func() { close(acked) }})
	return acked
}

func sendCmd(room chat.RoomID, user chat.UserID, id, content string) envelope.Command {
	return envelope.Command{Kind: envelope.Send, Gateway: "g1.a", Socket: 7, User: user, Session: "s", Room: room, ClientMsgID: id, Content: content}
}

func wait(t *testing.T, c chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: not within 10 s", what)
	}
}

// value reads a counter or a gauge.
func value(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var d dto.Metric
	if err := m.Write(&d); err != nil {
		t.Fatal(err)
	}
	return d.GetCounter().GetValue() + d.GetGauge().GetValue()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}
