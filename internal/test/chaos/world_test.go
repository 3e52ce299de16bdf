//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/faultproxy"
	"chat-service/internal/test/testkit/history"
)

type obj = map[string]any

// plan says what a world consists of.
type plan struct {
	Seed    uint64
	Clients int // ordinary members; others come on top
	Rooms   int // room 0 is the hot one
	Rate    float64
	Plant   string            // the planted bug, in programs built for it
	Env     map[string]string // over the usual settings
	Numbers bool              // a quarter of the clients number their messages
	Quiet   bool              // nothing but ordinary members
	Plain   bool              // nobody changes messages
	Posts   bool              // REST senders don't pause
	Hooked  bool              // an endpoint is told of everything
	Prompt  bool              // only workers fail: what is stored is acknowledged in time
	Rest    time.Duration     // how long coming to rest may take, instead of a minute
	// Gateways is 2 unless set.
	Gateways int
	Before   bool // on a site: its RabbitMQs aren't a cluster yet, and the processes are of the release before and know one of them
	Stale    bool // on a site: one worker goes to a server itself, not to the address that follows the primary
}

// world is the product with its links, its users and everything that they do.
type world struct {
	t   *testing.T
	o   plan
	srv *servers
	dir string // for what a failed run leaves behind
	*testkit.Fleet
	links links
	api   testkit.API
	urls  []string // of the gateways, through their proxies
	h     *history.History
	began time.Time

	rooms   []*room
	people  []*person
	probes  *prober
	shelf   *shelf
	hooks   *endpoint    // nil: none
	blind   atomic.Int64 // workers that never work, so far
	site    *site        // nil: single servers
	deck    func(*rand.Rand) []fault
	removed sync.Map // roomUser → *atomic.Int64: removals that the api confirmed
	found   findings

	offered, held atomic.Int64
	late          atomic.Int64 // nanoseconds: how late the generator's worst tick was
	lateTicks     atomic.Int64
	ticks         atomic.Int64

	live context.CancelFunc // ends what makes traffic
	wg   sync.WaitGroup
}

// room is a room and who speaks in it.
type room struct {
	id       uint64
	owner    *person
	speakers []*person
	first    []uint64 // members at creation
}

// person is a user with one client.
type person struct {
	testkit.User
	name  string
	c     *testkit.Chatter
	rooms []*room
}

// calm are settings that keep limits out of the way.
func calm() map[string]string {
	return map[string]string{
		"CHAT_AUTH_ARGON2_MEMORY_KIB": "1024", "CHAT_AUTH_ARGON2_TIME": "1",
		"CHAT_LIMITS_LOGIN_PER_MINUTE": "0", "CHAT_LIMITS_REGISTER_PER_MINUTE": "0", "CHAT_LIMITS_REQUESTS_PER_SECOND": "0", "CHAT_LIMITS_SERVER_REQUESTS_PER_SECOND": "0",
		"CHAT_LIMITS_MESSAGES_PER_SECOND": "0", "CHAT_LIMITS_USER_MESSAGES_PER_SECOND": "0", "CHAT_LIMITS_USER_FRAMES_PER_SECOND": "0", "CHAT_LIMITS_CONNECTS_PER_MINUTE": "0", "CHAT_GATEWAY_DRAIN": "2s", "CHAT_LOG_LEVEL": "info",
	}
}

// newWorld starts the product behind proxies, without users.
func newWorld(t *testing.T, o plan) *world {
	t.Helper()
	w := &world{t: t, o: o, srv: machine(t), links: links{}, h: history.New(), began: time.Now(), deck: deck}
	w.dir = w.srv.dir.Path()
	if o.Plant != "" {
		faultyBinaries(t)
	} else if o.Env["CHAT_FAULTS_KILL"] != "" {
		faultyBinaries(t)
	} else {
		plainBinaries(t)
	}
	env := calm()
	if o.Plant != "" {
		env["CHAT_FAULTS_PLANT"] = o.Plant
	}
	if o.Hooked {
		hooked(env)
	}
	maps.Copy(env, o.Env)
	gateways := max(o.Gateways, 2)
	w.Fleet = testkit.StartFleet(t, testkit.FleetOptions{
		Gateways: gateways, Workers: 3, APIs: 1, Env: env,
		Admin: true, // servers are wiped, and their users with them
		EnvOf: func(process string, env map[string]string) {
			if process != "chatctl" { // a user that a read-only server refuses
				env["CHAT_DATABASE_USER"], env["CHAT_DATABASE_PASSWORD"] = w.databaseUser(t)
			}
			w.links.tap(t, process, env)
		},
	})
	w.Stop(t, "worker-3")
	w.open(gateways)
	return w
}

// open puts proxies between the clients and the gateways.
func (w *world) open(gateways int) {
	t := w.t
	t.Helper()
	w.api = w.API(1)
	if w.o.Hooked {
		w.hear()
	}
	for i := 1; i <= gateways; i++ {
		u, err := url.Parse(w.WS(i))
		if err != nil {
			t.Fatal(err)
		}
		p := faultproxy.New(t, u.Host)
		w.links[linkName("clients", "gateway-"+strconv.Itoa(i))] = p
		u.Host = p.Addr()
		w.urls = append(w.urls, u.String())
	}
	t.Cleanup(func() {
		if w.live != nil {
			w.live()
		}
		w.wg.Wait()
	})
}

// url is where a client connects: another gateway with every attempt, beginning with first.
func (w *world) url(first int) func() string {
	var n atomic.Int64
	return func() string { return w.urls[(int64(first)+n.Add(1)-1)%int64(len(w.urls))] }
}

// users registers n users side by side.
func (w *world) users(n int) []testkit.User {
	w.t.Helper()
	us := make([]testkit.User, n)
	var wg sync.WaitGroup
	var failed atomic.Pointer[string]
	next := make(chan int)
	for range 4 {
		wg.Go(func() {
			for i := range next {
				if why := w.register(&us[i]); why != "" {
					failed.Store(&why)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	if why := failed.Load(); why != nil {
		w.t.Fatalf("register users: %s", *why)
	}
	return us
}

var userNumbers atomic.Int64

func (w *world) register(u *testkit.User) (failure string) {
	name := fmt.Sprintf("c%d.%d", time.Now().UnixNano()%1e9, userNumbers.Add(1))
	const password = "correct horse 42"
	r, err := w.api.Call(w.t.Context(), http.MethodPost, "/auth/register", "", obj{"username": name, "nickname": name, "email": name + "@example.com", "password": password})
	if err != nil || r.Status != http.StatusCreated {
		return fmt.Sprintf("%d %s %v", r.Status, r.Raw, err)
	}
	r, err = w.api.Call(w.t.Context(), http.MethodPost, "/auth/login", "", obj{"username": name, "password": password})
	if err != nil || r.Status != http.StatusOK {
		return fmt.Sprintf("%d %s %v", r.Status, r.Raw, err)
	}
	*u = testkit.User{ID: r.Body.Obj("user").Num("id"), Username: name, Password: password, Token: r.Body.Str("access_token")}
	return ""
}

// enter adds a person with a client; it connects at once.
func (w *world) enter(name string, u testkit.User, change func(*testkit.ChatterOptions)) *person {
	p := &person{User: u, name: name}
	o := testkit.ChatterOptions{
		Name: name, User: u.ID, URL: w.url(len(w.people)), Token: func() string { return u.Token }, History: w.h,
		Seed: w.o.Seed + uint64(len(w.people)), Backoff: 200 * time.Millisecond,
	}
	if change != nil {
		change(&o)
	}
	p.c = testkit.StartChatter(w.t, o)
	w.people = append(w.people, p)
	return p
}

// settle populates the world: rooms with their members, and their clients.
func (w *world) settle() {
	w.t.Helper()
	r := rand.New(rand.NewPCG(w.o.Seed, 7))
	us := w.users(w.o.Clients)
	crowd := make([][]testkit.User, w.o.Rooms)
	for i, u := range us {
		home := 1 + i%(w.o.Rooms-1)
		crowd[home] = append(crowd[home], u)
		if i%5 == 0 && len(crowd[0]) < 16 {
			crowd[0] = append(crowd[0], u)
		}
	}
	extra := w.cast(crowd)
	homes := map[uint64][]*room{}
	for _, members := range crowd {
		rm := &room{id: w.api.CreateRoom(w.t, members[0], members[1:]...)}
		for _, u := range members {
			rm.first = append(rm.first, u.ID)
			homes[u.ID] = append(homes[u.ID], rm)
		}
		w.rooms = append(w.rooms, rm)
	}
	for i, u := range us {
		numbered := w.o.Numbers && r.IntN(4) == 0
		p := w.enter("client-"+strconv.Itoa(i), u, func(o *testkit.ChatterOptions) {
			if numbered {
				o.Window = 8
			}
		})
		p.rooms = homes[u.ID]
		for _, rm := range p.rooms {
			if rm.owner == nil {
				rm.owner = p
			}
			rm.speakers = append(rm.speakers, p)
		}
	}
	if extra != nil {
		extra(homes)
	}
	w.probes, w.shelf = newProber(w), w.newShelf()
	w.connected()
}

// connected waits until all clients are welcome.
func (w *world) connected() {
	w.t.Helper()
	testkit.Eventually(w.t, time.Minute, func() (bool, string) {
		for _, p := range w.people {
			if !p.c.Connected() && p.c.Ended() == nil {
				return false, p.name + " is not connected"
			}
		}
		return true, ""
	})
}

// backlog bounds how far the generator may be ahead of the database, in messages: beyond it, it waits.
const backlog = 2000

// traffic starts the load and all that the extras do.
func (w *world) traffic() {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.live = cancel
	w.wg.Go(func() { w.load(ctx) })
	w.wg.Go(func() { w.probes.run(ctx) })
	for _, act := range w.found.acts {
		w.wg.Go(func() { act(ctx) })
	}
}

// still ends the traffic.
func (w *world) still() {
	w.live()
	w.wg.Wait()
}

const tick = 20 * time.Millisecond

// load has members send at the planned rate, a fifth of it in the hot room.
func (w *world) load(ctx context.Context) {
	r := rand.New(rand.NewPCG(w.o.Seed, 11))
	before := w.committed(ctx)
	var committed atomic.Int64
	var watch sync.WaitGroup
	defer watch.Wait()
	watch.Go(func() {
		for ctx.Err() == nil {
			if n := w.committed(ctx); n >= before {
				committed.Store(n - before)
			}
			pause(ctx, 300*time.Millisecond)
		}
	})
	t := time.NewTicker(tick)
	defer t.Stop()
	credit, last := 0.0, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := time.Now()
		gap := now.Sub(last)
		last = now
		w.ticks.Add(1)
		if gap > 10*tick {
			w.lateTicks.Add(1)
		}
		w.late.Store(max(w.late.Load(), int64(gap-tick)))
		if w.offered.Load()-committed.Load() > backlog {
			w.held.Add(1)
			continue
		}
		for credit = min(credit+w.o.Rate*gap.Seconds(), w.o.Rate); credit >= 1; credit-- {
			rm := w.rooms[0]
			if r.IntN(5) != 0 {
				rm = w.rooms[1+r.IntN(len(w.rooms)-1)]
			}
			p := rm.speakers[r.IntN(len(rm.speakers))]
			p.c.Send(rm.id, words(r, w.offered.Add(1)))
		}
	}
}

// committed is how many messages the database holds; -1 while it can't tell.
func (w *world) committed(ctx context.Context) int64 {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	n := int64(-1)
	if w.DB.DB.QueryRowContext(ctx, "SELECT COALESCE(SUM(msg_count), 0) FROM rooms").Scan(&n) != nil {
		return -1
	}
	return n
}

func words(r *rand.Rand, n int64) string {
	const filler = "Lorem ipsum dolor sit amet, 聊天服务, Здравствуйте, consetetur sadipscing elitr, 👋🏽 sed diam nonumy eirmod."
	b := []rune(filler)
	return fmt.Sprintf("%d %s", n, string(b[:r.IntN(len(b))]))
}

// calmDown ends all faults and traffic, and waits until everything is at rest; what isn't is a finding.
func (w *world) calmDown() {
	w.t.Helper()
	w.still()
	w.links.resume()
	for _, name := range w.Names() {
		if ok, _ := w.Ready(w.t.Context(), name); !ok && name != "worker-3" && !strings.HasPrefix(name, blindName) {
			w.Restart(w.t, name) // the last fault may have been its end
		}
	}
	began := time.Now()
	within := quiescence
	if w.o.Rest != 0 {
		within = w.o.Rest
	}
	ok, why := w.atRest(within)
	if !ok {
		w.found.add("I14", "not at rest %v after the last fault: %s", within, why)
		return
	}
	say("at rest after %.1f s", time.Since(began).Seconds())
}

// quiescence is I14's bound.
const quiescence = 60 * time.Second

// atRest waits until every client has everything and every queue is empty.
func (w *world) atRest(within time.Duration) (ok bool, why string) {
	for end := time.Now().Add(within); ; {
		if ok, why = w.resting(); ok || time.Now().After(end) {
			return ok, why
		}
		pause(w.t.Context(), 100*time.Millisecond)
	}
}

func (w *world) resting() (bool, string) {
	heads, changes := map[uint64]uint64{}, map[uint64]uint64{}
	rows, err := w.DB.DB.QueryContext(w.t.Context(), "SELECT id, last_seq, change_seq FROM rooms")
	if err != nil {
		return false, err.Error()
	}
	defer rows.Close()
	for rows.Next() {
		var id, seq, change uint64
		if err := rows.Scan(&id, &seq, &change); err != nil {
			return false, err.Error()
		}
		heads[id], changes[id] = seq, change
	}
	if err := rows.Err(); err != nil {
		return false, err.Error()
	}
	if ok, why := w.returnedSee(heads, changes); !ok {
		return false, why
	}
	for _, p := range w.people {
		if p.c.Ended() != nil {
			continue
		}
		if ok, why := p.c.AtRest(); !ok {
			return false, why
		}
		for _, rm := range p.rooms {
			if have := p.c.Have(rm.id); have < heads[rm.id] && !slices.Contains(w.found.gone(rm.id), p.ID) {
				return false, fmt.Sprintf("%s has room %d up to %d of %d", p.name, rm.id, have, heads[rm.id])
			}
			if at := p.c.Cursor(rm.id); at < changes[rm.id] && !slices.Contains(w.found.gone(rm.id), p.ID) {
				return false, fmt.Sprintf("%s has the changes of room %d up to %d of %d", p.name, rm.id, at, changes[rm.id])
			}
		}
	}
	if ok, why := w.told(); !ok {
		return false, why
	}
	return w.queuesEmpty()
}

// returnedSee tells whether those who left and came back have the rooms again in which they are members now.
func (w *world) returnedSee(heads, changes map[uint64]uint64) (bool, string) {
	rows, err := w.DB.DB.QueryContext(w.t.Context(), "SELECT room_id, user_id FROM members WHERE left_seq = 0")
	if err != nil {
		return false, err.Error()
	}
	defer rows.Close()
	in := map[removal]bool{}
	for rows.Next() {
		var k removal
		if err := rows.Scan(&k.room, &k.user); err != nil {
			return false, err.Error()
		}
		in[k] = true
	}
	if err := rows.Err(); err != nil {
		return false, err.Error()
	}
	for _, p := range w.people {
		for room, users := range w.found.out {
			if !slices.Contains(users, p.ID) || !in[removal{room, p.ID}] {
				continue
			}
			if have, at := p.c.Have(room), p.c.Cursor(room); have < heads[room] || at < changes[room] {
				return false, fmt.Sprintf("%s is a member of room %d again and has it up to %d of %d, its changes up to %d of %d", p.name, room, have, heads[room], at, changes[room])
			}
		}
	}
	return true, ""
}
