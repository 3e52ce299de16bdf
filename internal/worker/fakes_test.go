package worker

import (
	"context"
	"errors"
	"maps"
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
)

// fakes play MySQL, Redis and the broker in memory, with switches for their failures.
type fakes struct {
	mu         sync.Mutex
	rooms      map[chat.RoomID]*fakeRoom
	outbox     []envelope.Announcement
	still      bool   // the database doesn't answer beats
	late       int    // beats that got no answer
	looks      int    // at the outbox
	call       func() // has the worker look at the outbox
	slow       func() // before and after what MySQL and Redis are asked for rooms; nil: at once
	nextRow    uint64
	dead       []chat.DeadCommand
	routes     map[chat.RoomID]chat.Route
	sockets    []chat.Socket
	redisAway  bool // Unregister fails
	users      map[chat.UserID]chat.User
	revoked    map[chat.SessionID]bool
	down       bool // MySQL
	poison     string
	up         time.Time
	unable     error // why it can't consume
	lapsed     []chat.GatewayID
	lapsedFor  bool // for good, also when they are buried
	revived    []chat.GatewayID
	spent      []uint64 // client_seqs of refused sends
	buried     map[chat.GatewayID][]chat.UserID
	gen        string
	sawUsers   map[chat.UserID]time.Time
	blind      int
	halfBuried bool              // the next Bury fails after it has found its users
	unanswered int               // appends that are done and not answered
	deaf       int               // times that a gateway's heartbeat can't be booked
	beats      int               // booked ones
	due        []chat.UserID     // offline, for the next sweep
	workers    []chat.LiveWorker // beside this one
	mine       []string          // features of this one, with
	extra      []string          // those that it shall seem to have

	sent   chan envelope.Delivery // everything that reached the bus, in order
	to     []chat.GatewayID       // beside sent: "" for all
	noConf bool                   // confirms are kept back
	held   []func(error)
	lost   map[chat.GatewayID]bool // queues that are gone
}

const poisoned = chat.RoomID(666) // looking it up panics

type fakeRoom struct {
	log     []chat.Message
	members map[chat.UserID]bool
	reads   map[chat.UserID]chat.Seq
	public  bool
	since   map[chat.UserID]chat.Seq // from where a member may see; absent: everything
}

func newFakes() *fakes {
	return &fakes{
		rooms: map[chat.RoomID]*fakeRoom{}, routes: map[chat.RoomID]chat.Route{}, users: map[chat.UserID]chat.User{},
		revoked: map[chat.SessionID]bool{}, up: time.Now().Add(-time.Hour), gen: "g1", buried: map[chat.GatewayID][]chat.UserID{},
		sawUsers: map[chat.UserID]time.Time{}, sent: make(chan envelope.Delivery, 10_000), lost: map[chat.GatewayID]bool{},
	}
}

func (w *fakes) room(id chat.RoomID, members ...chat.UserID) *fakeRoom {
	r := &fakeRoom{members: map[chat.UserID]bool{}, reads: map[chat.UserID]chat.Seq{}}
	for _, u := range members {
		r.members[u] = true
	}
	w.rooms[id] = r
	return r
}

var errDown = chat.E(chat.Unavailable, "mysql is unavailable")

func (w *fakes) Append(_ context.Context, batch []chat.Send, now time.Time) ([]chat.Sent, []chat.Head, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return nil, nil, errDown
	}
	out := make([]chat.Sent, len(batch))
	before := map[chat.RoomID]chat.Seq{}
	for i, s := range batch {
		if w.poison != "" && s.Content == w.poison {
			panic("poison")
		}
		r := w.rooms[s.Room]
		if r == nil || !r.members[s.Sender] {
			out[i].Err = chat.E(chat.NotFound, "room")
			continue
		}
		if _, ok := before[s.Room]; !ok {
			before[s.Room] = chat.Seq(len(r.log))
		}
		if j := slices.IndexFunc(r.log, func(m chat.Message) bool { return m.Sender == s.Sender && m.ClientMsgID == s.ClientMsgID }); j >= 0 {
			out[i] = chat.Sent{Message: r.log[j], Duplicate: true}
			continue
		}
		if s.Refused != nil {
			out[i].Err = s.Refused
			w.spent = append(w.spent, s.ClientSeq)
			continue
		}
		m := chat.Message{
			Room: s.Room, Seq: chat.Seq(len(r.log) + 1), Ord: uint64(len(r.log) + 1), Kind: chat.Text, Sender: s.Sender,
			ClientMsgID: s.ClientMsgID, Content: s.Content, CreatedAt: now,
		}
		r.log = append(r.log, m)
		out[i].Message = m
	}
	if w.unanswered > 0 {
		w.unanswered--
		return nil, nil, errDown
	}
	var heads []chat.Head
	for id, b := range before {
		heads = append(heads, chat.Head{Room: id, Seq: chat.Seq(len(w.rooms[id].log)), Before: b, Epoch: 1})
	}
	return out, heads, nil
}

// post plays a REST write: an entry with its outbox row.
func (w *fakes) post(room chat.RoomID, a envelope.Announcement) chat.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.rooms[room]
	m := chat.Message{Room: room, Seq: chat.Seq(len(r.log) + 1), Kind: chat.Text, Sender: 9, ClientMsgID: "rest", Content: "rest", CreatedAt: time.Now()}
	r.log = append(r.log, m)
	w.nextRow++
	a.ID, a.Message, a.Partition = w.nextRow, &m, room.Partition(4)
	w.outbox = append(w.outbox, a)
	return m
}

func (w *fakes) MarkRead(_ context.Context, marks []chat.ReadMark) ([]chat.ReadState, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]chat.ReadState, len(marks))
	for i, m := range marks {
		r := w.rooms[m.Room]
		moved := m.Seq > r.reads[m.User]
		r.reads[m.User] = max(r.reads[m.User], m.Seq)
		out[i] = chat.ReadState{Room: m.Room, User: m.User, ReadSeq: r.reads[m.User], Moved: moved, Unread: uint64(len(r.log)) - uint64(m.Seq)}
	}
	return out, nil
}

func (w *fakes) Messages(_ context.Context, room chat.RoomID, from, to chat.Seq, limit int) ([]chat.Message, error) {
	defer w.takes()()
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.rooms[room].log[from-1 : to]
	return slices.Clone(l[:min(len(l), limit)]), nil
}

func (w *fakes) Rooms(_ context.Context, ids []chat.RoomID) (rs []chat.Room, err error) {
	defer w.takes()()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return nil, errDown
	}
	for _, id := range ids {
		if r := w.rooms[id]; r != nil {
			rs = append(rs, chat.Room{ID: id, Type: chat.Group, LastSeq: chat.Seq(len(r.log)), Epoch: 1, MemberCount: len(r.members)})
		}
	}
	return rs, nil
}

func (w *fakes) ActiveRooms(_ context.Context, p int, _ time.Time, _ int) (hs []chat.Head, err error) {
	defer w.takes()()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return nil, errDown
	}
	for id, r := range w.rooms {
		if id.Partition(4) == p && len(r.log) > 0 {
			hs = append(hs, chat.Head{Room: id, Seq: chat.Seq(len(r.log)), Epoch: 1})
		}
	}
	return hs, nil
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

func (w *fakes) Outbox(_ context.Context, ps []int, limit int) (as []envelope.Announcement, err error) {
	defer w.takes()()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.outbox {
		if slices.Contains(ps, a.Partition) && len(as) < limit {
			as = append(as, a)
		}
	}
	return as, nil
}

// AwaitCalls never calls by itself: a test calls through w.call.
func (w *fakes) AwaitCalls(ctx context.Context, called func(), live func(bool)) {
	w.mu.Lock()
	w.call = called
	w.mu.Unlock()
	live(true)
	<-ctx.Done()
}

func (w *fakes) OutboxWaiting(_ context.Context, ps []int) (out []int, err error) {
	defer w.takes()()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	for _, a := range w.outbox {
		if slices.Contains(ps, a.Partition) && !slices.Contains(out, a.Partition) {
			out = append(out, a.Partition)
		}
	}
	return out, nil
}

func (w *fakes) OutboxUnknown(_ context.Context, ps []int) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.outbox {
		if slices.Contains(ps, a.Partition) && !a.Kind().Known() {
			n++
		}
	}
	return n, nil
}

func (w *fakes) Announced(_ context.Context, ids []uint64) error {
	defer w.takes()()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outbox = slices.DeleteFunc(w.outbox, func(a envelope.Announcement) bool { return slices.Contains(ids, a.ID) })
	return nil
}

func (w *fakes) Membership(_ context.Context, room chat.RoomID, user chat.UserID) (chat.Membership, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.rooms[room]
	if r == nil || !r.members[user] {
		return chat.Membership{}, chat.E(chat.NotFound, "room")
	}
	return chat.Membership{
		Room:   chat.Room{ID: room, Type: chat.Group, LastSeq: chat.Seq(len(r.log)), Epoch: 1, MsgCount: uint64(len(r.log))},
		Member: chat.Member{Room: room, User: user, Role: chat.Plain, VisibleFrom: 1, ReadSeq: r.reads[user], ReadCount: uint64(r.reads[user])},
	}, nil
}

func (w *fakes) MembershipsOf(ctx context.Context, users []chat.UserID, _ int) (map[chat.UserID][]chat.Membership, error) {
	w.mu.Lock()
	ids := slices.Collect(maps.Keys(w.rooms))
	w.mu.Unlock()
	out := map[chat.UserID][]chat.Membership{}
	for _, u := range users {
		for _, id := range ids {
			if m, err := w.Membership(ctx, id, u); err == nil {
				out[u] = append(out[u], m)
			}
		}
	}
	return out, nil
}

func (w *fakes) Places(ctx context.Context, at []chat.Place) (map[chat.Place]chat.Membership, error) {
	out := map[chat.Place]chat.Membership{}
	for _, p := range at {
		if p.Room == poisoned {
			panic("poisoned room")
		}
		if m, err := w.Membership(ctx, p.Room, p.User); err == nil {
			out[p] = m
		}
	}
	return out, nil
}

func (w *fakes) Spans(ctx context.Context, spans []chat.Span, _ int) (ms []chat.Message, whole bool, err error) {
	for _, s := range spans {
		more, _ := w.Messages(ctx, s.Room, s.From, s.To, int(s.To-s.From)+1)
		ms = append(ms, more...)
	}
	return ms, true, nil
}

func (w *fakes) MembersAmong(_ context.Context, room chat.RoomID, upTo chat.Seq, us []chat.UserID) (in []chat.UserID, r chat.Room, err error) {
	defer w.takes()()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range us {
		if r := w.rooms[room]; r.members[u] && r.since[u] <= upTo {
			in = append(in, u)
		}
	}
	return in, chat.Room{ID: room, LastSeq: chat.Seq(len(w.rooms[room].log)), Epoch: 1}, nil
}

func (w *fakes) SharesRoom(_ context.Context, _ chat.UserID, others []chat.UserID) ([]chat.UserID, error) {
	return slices.DeleteFunc(slices.Clone(others), func(u chat.UserID) bool { return u >= 100 }), nil
}

func (w *fakes) AddMembers(_ context.Context, room chat.RoomID, by chat.UserID, ids []chat.UserID) ([]chat.UserID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.rooms[room]
	if r == nil || !r.public {
		return nil, chat.E(chat.Forbidden, "private")
	}
	r.members[by] = true
	return ids, nil
}

// Logins knows sessions named after their user, as "5" and "5b".
func (w *fakes) Logins(_ context.Context, ids []chat.SessionID) (map[chat.SessionID]chat.Login, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[chat.SessionID]chat.Login{}
	for _, id := range ids {
		if w.revoked[id] {
			out[id] = chat.Login{Err: chat.E(chat.Unauthenticated, "revoked")}
			continue
		}
		n, _ := strconv.ParseUint(strings.TrimRight(string(id), "ab"), 10, 64)
		user := chat.UserID(n)
		out[id] = chat.Login{Session: chat.Session{ID: id, User: user}, User: chat.User{ID: user, Username: "u" + user.String()}}
	}
	return out, nil
}

func (w *fakes) RevokedAmong(_ context.Context, ids []chat.SessionID) (out []chat.SessionID, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if w.revoked[id] {
			out = append(out, id)
		}
	}
	return out, nil
}

func (w *fakes) Users(_ context.Context, ids []chat.UserID) (us []chat.User, err error) {
	for _, id := range ids {
		us = append(us, chat.User{ID: id, Username: "u" + id.String()})
	}
	return us, nil
}

func (w *fakes) LastSeen(context.Context, []chat.UserID) (map[chat.UserID]time.Time, error) {
	return map[chat.UserID]time.Time{}, nil
}

func (w *fakes) SawUsers(_ context.Context, at map[chat.UserID]time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for u, t := range at {
		w.sawUsers[u] = t
	}
	return nil
}

// Beat waits while the database is stalled.
func (w *fakes) Beat(ctx context.Context, me chat.LiveWorker) error {
	w.mu.Lock()
	still := w.still
	w.mine = append(me.Features, w.extra...)
	w.mu.Unlock()
	if !still {
		return nil
	}
	<-ctx.Done()
	w.mu.Lock()
	w.late++
	w.mu.Unlock()
	return ctx.Err()
}

func (w *fakes) Workers(context.Context, time.Duration) ([]chat.LiveWorker, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]chat.LiveWorker{{Boot: "me", Features: w.mine}}, w.workers...), nil
}
func (w *fakes) Burden(context.Context) (time.Duration, int64, error) { return time.Minute, 3, nil }
func (w *fakes) Sweep(context.Context, time.Time, int) (int64, error) { return 0, nil }
func (w *fakes) Retire(context.Context, string) error                 { return nil }
func (w *fakes) Quarantine(_ context.Context, d chat.DeadCommand) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = append(w.dead, d)
	return nil
}

func (w *fakes) Register(_ context.Context, ss []chat.Socket) (out []chat.Registration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range ss {
		r := chat.Registration{First: !slices.ContainsFunc(w.sockets, func(o chat.Socket) bool { return o.User == s.User })}
		w.sockets = append(w.sockets, s)
		for _, o := range w.sockets {
			if o.Session == s.Session {
				r.OfSession = append(r.OfSession, o)
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

func (w *fakes) OfflineLater(context.Context, []chat.UserID, time.Time) error { return nil }
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

func (w *fakes) Generation(context.Context) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gen, nil
}

func (w *fakes) MoveRoutes(context.Context, []chat.RouteMove) error           { return nil }
func (w *fakes) DropRoute(context.Context, chat.RoomID, chat.GatewayID) error { return nil }
func (w *fakes) Count(context.Context, []chat.Head, []chat.Message) error     { return nil }
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
		Boot: "me", Partitions: 4, Metrics: NewMetrics(prometheus.NewRegistry()), Log: w, Outbox: w, Members: w, Accounts: w, History: w,
		Workers: w, Routes: w, Calls: w, Presence: w, Registry: w, Leases: w, Bus: w, Consume: w,
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
