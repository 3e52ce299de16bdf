package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/hub"
)

// desk is a session at a gateway that notes what its client gets, in short: joined, m2, head2, resync.
type desk struct {
	user  chat.UserID
	state hub.State

	mu  sync.Mutex
	got []string
}

func (d *desk) User() chat.UserID                 { return d.user }
func (d *desk) State() *hub.State                 { return &d.state }
func (d *desk) Lags() bool                        { return false }
func (d *desk) Answered(string)                   {}
func (d *desk) RequestRoom(chat.RoomID)           {}
func (d *desk) ReviewWatch([]chat.UserID, uint64) {}
func (d *desk) Push(f hub.Frame) bool {
	payload := f[2:]
	if f[1] == 126 {
		payload = f[4:]
	}
	var v struct {
		Type string
		Seq  chat.Seq
	}
	if err := json.Unmarshal(payload, &v); err != nil {
		panic(err)
	}
	if v.Type == "message" {
		v.Type = "m" + v.Seq.String()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.got = append(d.got, v.Type)
	return true
}

func (d *desk) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.got)
}

// site is a worker and a gateway's hub, with the servers between them in memory. Whatever crosses takes a while, by chance, and keeps
// its order; so does every question to MySQL and Redis.
type site struct {
	*fakes
	k   *Worker
	hub *hub.Hub
}

func newSite(t *testing.T, chance *rand.Rand) *site {
	var mu sync.Mutex
	var calm bool
	pause := func(limit time.Duration) {
		mu.Lock()
		d := time.Duration(chance.Int64N(int64(limit)))
		if calm {
			d = 0
		}
		mu.Unlock()
		<-time.After(d)
	}
	s := &site{fakes: newFakes()}
	commands, deliveries := make(chan envelope.Command, 10_000), make(chan []byte, 10_000)
	s.hub = hub.New(hub.Options{
		ID: "g1.a", Now: func() int64 { return time.Now().UnixMilli() }, Jitter: func(n int64) int64 { return n / 2 },
		HeldEntries: 100, HeldBytes: 1 << 20, Metrics: hub.NewMetrics(prometheus.NewRegistry()),
		Find: func(chat.SocketID) hub.Socket { return nil },
		Publish: func(_ chat.RoomID, c *envelope.Command) error {
			x := *c
			x.Gateway, x.Users = "g1.a", slices.Clone(c.Users)
			commands <- x
			return nil
		},
	})
	s.k = s.make(t, func(o *Options) {
		o.OutboxPoll, o.Beat, o.DeadAfter = 50*time.Millisecond, time.Second, 3*time.Second
		o.Bus = toHub{deliveries}
	})
	s.slow = func() { pause(3 * time.Millisecond) }
	asks := []string{"Outbox", "OutboxWaiting", "Announced", "Rooms", "ActiveRooms", "Messages", "MembersAmong"}
	takes := func(verb string) {
		if slices.Contains(asks, verb) {
			s.slow()
		}
	}
	s.store.Before(func(_ context.Context, verb string) error { takes(verb); return nil })
	s.store.After(func(_ context.Context, verb string) { takes(verb) })
	s.run(t, s.k)
	go func() {
		for c := range commands {
			pause(4 * time.Millisecond)
			give(s.k, false, c)
		}
	}()
	go func() {
		for b := range deliveries {
			pause(4 * time.Millisecond)
			s.deliver(t, b)
		}
	}()
	turn := time.NewTicker(100 * time.Millisecond)
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case <-turn.C:
				s.hub.Turn(&hub.Sweep{}, time.Now().UnixMilli())
			case <-ended:
				return
			}
		}
	}()
	t.Cleanup(func() { // before the worker is stopped
		close(ended)
		turn.Stop()
		mu.Lock()
		calm = true
		mu.Unlock()
		<-time.After(time.Second)
		close(commands)
		close(deliveries)
	})
	return s
}

func (s *site) deliver(t *testing.T, batch []byte) {
	rs, err := envelope.Records(batch)
	if err != nil {
		t.Error(err)
	}
	for _, r := range rs {
		d, err := envelope.DecodeDelivery(r)
		if err != nil {
			t.Error(err)
		}
		switch sw := (&hub.Sweep{}); d.Kind {
		case envelope.InRoom:
			s.hub.InRoom(sw, &d)
		case envelope.Attached:
			s.hub.Attached(sw, &d)
		case envelope.Reassert:
			s.hub.ReattachRoom(d.Room)
		case envelope.Heads:
			s.hub.Heads(sw, d.Points)
		}
	}
}

// session opens a socket of a user at the gateway.
func (s *site) session(u chat.UserID) *desk {
	d := &desk{user: u}
	s.hub.Add(d)
	return d
}

// called calls after a REST write, as the api does.
func (s *site) called(t *testing.T) {
	t.Helper()
	eventually(t, "it listens", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.call != nil })
	s.call()
}

// toHub is the broker, as far as one gateway goes.
type toHub struct{ queue chan []byte }

func (b toHub) ToAll(batch []byte, done func(error)) error {
	b.queue <- slices.Clone(batch)
	go done(nil)
	return nil
}

func (b toHub) ToGateway(g chat.GatewayID, batch []byte, done func(error)) error {
	if g == "g1.a" {
		return b.ToAll(batch, done)
	}
	go done(nil)
	return nil
}

// TestMessageRightAfterBeingAdded: whoever is added to a room, made just now or long ago, gets a message that follows at once as that
// message, behind `joined`, whichever of the gateway's attach, the worker's answer and the message's announcement comes first.
func TestMessageRightAfterBeingAdded(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				chance := rand.New(rand.NewPCG(seed, 8))
				s := newSite(t, rand.New(rand.NewPCG(seed, 9)))
				owner, other := s.session(5), s.session(6)
				time.Sleep(time.Duration(chance.Int64N(int64(2 * time.Second)))) // the worker owns its partitions, or is about to
				if chance.IntN(2) == 0 {                                         // and has had a batch in this one, or not
					give(s.k, false, envelope.Command{Kind: envelope.Detach, Gateway: "g9.z", Room: 1, Number: 1})
					time.Sleep(50 * time.Millisecond)
				}
				made := chance.IntN(2) == 0
				if !made {
					s.room(1)
					s.store.AddMember(chat.Member{Room: 1, User: writer, Role: chat.Owner, VisibleFrom: 1})
				}
				s.mu.Lock()
				s.routes[1] = chat.Route{Ask: true}
				if !made { // long ago, and its gateways are known
					s.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g9.z": 1}}
				}
				s.mu.Unlock()
				first := chat.Seq(1)
				var err error
				if made {
					_, err = s.store.CreateRoom(t.Context(), chat.NewRoom{Owner: 5, Members: []chat.UserID{6, writer}})
				} else {
					s.post(t, 1)
					s.called(t)
					time.Sleep(time.Second)
					first++
					_, err = s.store.AddMembers(t.Context(), 1, writer, []chat.UserID{5, 6})
				}
				if err != nil {
					t.Fatal(err)
				}
				s.called(t)
				want := []string{"joined"}
				for i := range chat.Seq(1 + chance.IntN(3)) {
					time.Sleep(time.Duration(chance.Int64N(int64(12 * time.Millisecond))))
					s.post(t, 1)
					s.called(t)
					want = append(want, "m"+(first+1+i).String())
				}
				time.Sleep(3 * time.Second)
				for _, d := range []*desk{owner, other} {
					if got := d.all(); !slices.Equal(got, want) {
						t.Errorf("user %d got %v, want %v (made just now: %v)", d.user, got, want, made)
					}
				}
			})
		})
	}
}
