//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/faultproxy"
	"chat-service/internal/test/testkit/history"
)

// faults is a fleet to break things in: it reaches its servers through proxies.
type faults struct {
	*world
	mysql, redis, rabbit *faultproxy.Proxy // mysql: the api's only
}

// TestFaults breaks one thing after another, and mends it again, in a fleet of its own.
func TestFaults(t *testing.T) {
	t.Parallel()
	broker, err := url.Parse(testkit.AMQPURL(t))
	if err != nil {
		t.Fatal(err)
	}
	f := &faults{redis: faultproxy.New(t, testkit.RedisAddr(t)), rabbit: faultproxy.New(t, broker.Host)}
	env := calm()
	env["CHAT_GATEWAY_DRAIN"], env["CHAT_GATEWAY_CONNECT_TIMEOUT"], env["CHAT_GATEWAY_ANSWER_TIMEOUT"] = "5s", "3s", "3s"
	fleet := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 2, Workers: 2, APIs: 1, Env: env, EnvOf: func(process string, env map[string]string) {
		if u, err := url.Parse(env["CHAT_RABBITMQ_URL"]); err == nil && u.Host != "" {
			u.Host = f.rabbit.Addr()
			env["CHAT_RABBITMQ_URL"] = u.String()
		}
		if env["CHAT_REDIS_HOST"] != "" {
			env["CHAT_REDIS_HOST"], env["CHAT_REDIS_PORT"], _ = net.SplitHostPort(f.redis.Addr())
		}
		if process == "api-1" {
			f.mysql = faultproxy.New(t, net.JoinHostPort(env["CHAT_DATABASE_HOST"], env["CHAT_DATABASE_PORT"]))
			env["CHAT_DATABASE_HOST"], env["CHAT_DATABASE_PORT"], _ = net.SplitHostPort(f.mysql.Addr())
		}
	}})
	f.world = &world{Fleet: fleet, api: fleet.API(1)}
	f.shares(t)
	t.Run("a worker is killed", f.workerKilled)
	t.Run("a gateway drains", f.drains)
	t.Run("Redis is away", f.withoutRedis)
	t.Run("Redis forgets", f.redisForgets)
	t.Run("Redis is away, and somebody comes", f.comesWithoutRedis)
	t.Run("a gateway is killed", f.gatewayKilled)
	t.Run("RabbitMQ is away", f.withoutRabbit)
	t.Run("workers are stuck", f.workersStuck)
	t.Run("MySQL is away", f.withoutMySQL)
}

// either is where to connect: at one gateway, then the other, and so on.
func (f *faults) either(first int) func() string {
	var n atomic.Int64
	n.Store(int64(first - 1))
	return func() string { return f.WS(int(n.Add(1)-1)%2 + 1) }
}

// crowd starts clients that follow the protocol, all in one room.
func (f *faults) crowd(t *testing.T, h *history.History, n int) (cs []*testkit.Chatter, us []user, room uint64) {
	t.Helper()
	us = f.users(t, n)
	room = f.api.CreateRoom(t, us[0], us[1:]...)
	for i, u := range us {
		cs = append(cs, testkit.StartChatter(t, testkit.ChatterOptions{
			Name: fmt.Sprintf("c%d.%d", room, i), User: u.ID, URL: f.either(1 + i%2),
			Token: func() string { return u.Token }, History: h, Seed: uint64(i + 1), All: true, Window: 8,
		}))
	}
	f.rest(t, cs, room)
	return cs, us, room
}

// rest waits until every send is answered, and then until all clients have all of the room: one that lacks nothing it
// knows of may still have the others' last messages under way.
func (f *faults) rest(t *testing.T, cs []*testkit.Chatter, room uint64) {
	t.Helper()
	for _, c := range cs {
		testkit.Eventually(t, time.Minute, c.AtRest)
	}
	last, changes := f.number(t, "SELECT last_seq FROM rooms WHERE id = ?", room), f.number(t, "SELECT change_seq FROM rooms WHERE id = ?", room)
	for i, c := range cs {
		testkit.Eventually(t, time.Minute, func() (bool, string) {
			return c.Have(room) >= last && c.Cursor(room) >= changes, fmt.Sprintf("client %d has room %d up to %d of %d, and change %d of %d",
				i, room, c.Have(room), last, c.Cursor(room), changes)
		})
	}
}

// changes lets everybody react to what they have lately got, and edit or recall what they have sent.
func changes(cs []*testkit.Chatter, us []user, room uint64) {
	for i, c := range cs {
		for seq := c.Have(room); seq > 1 && seq+8 > c.Have(room); seq-- {
			sender, known := c.Knows(room, seq)
			switch {
			case !known:
			case sender != us[i].ID:
				c.Change(room, testkit.Ask{Kind: "reaction", Seq: seq, Key: fmt.Sprint("key", seq%3), On: seq%2 == 0 || i%2 == 0})
			case seq%3 == 0:
				c.Change(room, testkit.Ask{Kind: "recall", Seq: seq})
			default:
				c.Change(room, testkit.Ask{Kind: "edit", Seq: seq, Content: fmt.Sprint("edited ", seq)})
			}
		}
	}
}

// talk lets everybody send, and breaks something when half of it is under way.
func (f *faults) talk(t *testing.T, cs []*testkit.Chatter, room uint64, each int, midway func()) {
	t.Helper()
	for i := range each {
		if i == each/2 {
			testkit.Eventually(t, patience, func() (bool, string) {
				n := f.number(t, "SELECT last_seq FROM rooms WHERE id = ?", room)
				return n > uint64(each*len(cs)/8), fmt.Sprintf("the room has come to %d", n)
			})
			for _, c := range cs {
				for j := range 8 {
					c.Send(room, fmt.Sprint("under way ", j))
				}
			}
			midway()
		}
		for _, c := range cs {
			c.Send(room, fmt.Sprint("message ", i))
		}
	}
	f.rest(t, cs, room)
}

func (f *faults) workerKilled(t *testing.T) {
	good(t, "a killed worker loses nothing")
	h := history.New()
	cs, us, room := f.crowd(t, h, 4)
	f.talk(t, cs, room, 50, func() { changes(cs, us, room); f.Kill(t, "worker-1") })
	f.Restart(t, "worker-1")
	f.talk(t, cs, room, 20, func() { changes(cs, us, room); f.Kill(t, "worker-2"); changes(cs, us, room) })
	f.Restart(t, "worker-2")
	f.shares(t)
	f.talk(t, cs, room, 5, func() {})
	if n := f.number(t, "SELECT COUNT(*) FROM messages WHERE room_id = ? AND kind = 'text'", room); n != 4*(50+20+5+3*8) {
		t.Errorf("%d messages are there, want %d", n, 4*(50+20+5+3*8))
	}
	asked, made := changesOf(h.Events())
	if n := f.number(t, "SELECT change_seq FROM rooms WHERE id = ?", room); made == 0 || n != uint64(made) {
		t.Errorf("%d changes were made, and of %d that were asked for, the answers named %d", n, asked, made)
	}
	history.MustHold(t, h.Events(), history.LoadDump(t, f.DB.DB))
}

// changesOf counts the changes that were asked for in a room, and the numbers that the answers gave them: what changes nothing is answered
// with a number of before, or with none.
func changesOf(events []history.Event) (asked, made int) {
	numbers := map[uint64]bool{}
	for _, e := range events {
		switch {
		case e.Kind == history.Asked:
			asked++
		case e.Kind == history.Done && e.Change > 0:
			numbers[e.Change] = true
		}
	}
	return asked, len(numbers)
}

func (f *faults) drains(t *testing.T) {
	good(t, "< goaway", "close 1012", "refused: admission", "Retry-After", "close reason")
	us := f.users(t, 2)
	far := f.dial(t, 2, us[1])
	var here []*sock
	for range 6 {
		here = append(here, f.dial(t, 1, us[0]))
	}
	room := f.api.CreateRoom(t, us[0], us[1])
	for _, s := range append(here, far) {
		s.Expect(t, is("joined"))
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		f.Stop(t, "gateway-1")
	}()
	for i, s := range here {
		g := s.Expect(t, is("goaway"))
		if !g.Has("after_ms") || g.Num("after_ms") > 5000 || g.Str("reason") == "" {
			t.Errorf("goaway tells %s", g)
		}
		if i == 0 {
			if _, err := testkit.TryDial(t, f.WS(1), us[1].Token); testkit.StatusOf(err) != http.StatusServiceUnavailable {
				t.Errorf("a draining gateway answers %v, want 503", err)
			}
			f.chat(t, s, room, "works until then")
			far.Expect(t, is("message", "content", "works until then"))
			if ok, _ := f.Ready(t.Context(), "gateway-1"); ok {
				t.Error("a draining gateway says that it is ready")
			}
			f.refusesUpgrade(t, us[1])
		}
	}
	for _, s := range here {
		closed(t, s, 1012)
	}
	<-stopped
	far.Ping(t)
	f.Restart(t, "gateway-1")
	f.chat(t, f.dial(t, 1, us[0]), room, "back again")
	far.Expect(t, is("message", "content", "back again"))
}

// refusesUpgrade looks at the whole answer to a handshake that is refused.
func (f *faults) refusesUpgrade(t *testing.T, u user) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http"+strings.TrimPrefix(f.WS(1), "ws")+"?token="+u.Token, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("upgrade at a draining gateway: %v", err)
	}
	defer res.Body.Close()
	if after, err := strconv.Atoi(res.Header.Get("Retry-After")); res.StatusCode != http.StatusServiceUnavailable || err != nil || after < 1 {
		t.Errorf("a draining gateway answers %s, Retry-After %q", res.Status, res.Header.Get("Retry-After"))
	}
}

func (f *faults) withoutRedis(t *testing.T) {
	good(t, "sends go on without Redis", "presence null", "< presence")
	us := f.users(t, 3)
	one, two, leaves := f.dial(t, 1, us[0]), f.dial(t, 2, us[1]), f.dial(t, 1, us[2])
	room := f.api.CreateRoom(t, us[0], us[1], us[2])
	for _, s := range []*sock{one, two, leaves} {
		s.Expect(t, is("joined"))
	}
	online := func(u user, want any) {
		t.Helper()
		testkit.Eventually(t, 40*time.Second, func() (bool, string) {
			p := f.api.Must(t, 200, "GET", fmt.Sprintf("/users/%d/presence", u.ID), us[0].Token, nil)
			return p["online"] == want, fmt.Sprintf("presence is %s, want %v", p, want)
		})
	}
	online(us[1], true)
	online(us[2], true)
	f.redis.Refuse(true)
	f.redis.Cut()
	online(us[1], nil)
	leaves.Close()
	for i := range 5 {
		f.chat(t, one, room, fmt.Sprint("without Redis ", i))
		two.Expect(t, is("message", "content", fmt.Sprint("without Redis ", i)))
		f.post(t, us[1], room, fmt.Sprint("by REST ", i))
		one.Expect(t, is("message", "content", fmt.Sprint("by REST ", i)))
	}
	one.Send(t, obj{"type": "presence", "user_ids": []uint64{us[1].ID}})
	if p := one.Expect(t, is("presence")).List("users"); len(p) != 1 || !p[0].Has("online") || p[0]["online"] != nil {
		t.Errorf("a watch list without Redis shows %v, want null", p)
	}
	late := f.dial(t, 1, us[1]) // who comes now is welcome all the same
	f.chat(t, late, room, "came without Redis")
	one.Expect(t, is("message", "content", "came without Redis"))
	if n := f.api.Must(t, 200, "GET", "/unread", us[0].Token, nil).Num("total"); n != 2 {
		t.Errorf("%d unread without Redis, want the 2 after his own last one", n)
	}
	if len(f.api.History(t, us[0], room)) != 12 {
		t.Error("the history is not whole without Redis")
	}
	f.redis.Resume()
	online(us[1], true)
	online(us[2], false) // whose last socket ended meanwhile
	two.Close()
	late.Close()
	online(us[1], false)
}

func (f *faults) gatewayKilled(t *testing.T) {
	good(t, "a killed gateway's users go offline", "< presence")
	h := history.New()
	cs, us, room := f.crowd(t, h, 4)
	alone := f.users(t, 1)[0]
	f.api.Must(t, 200, "POST", roomPath(room, "/members"), us[0].Token, obj{"member_ids": []uint64{alone.ID}})
	gone := f.dial(t, 1, alone)
	watcher := f.dial(t, 2, us[1])
	f.knows(t, us[1])
	watcher.Send(t, obj{"type": "presence", "user_ids": []uint64{alone.ID, us[0].ID}})
	testkit.Eventually(t, patience, func() (bool, string) {
		p := f.api.Must(t, 200, "GET", fmt.Sprintf("/users/%d/presence", alone.ID), us[1].Token, nil)
		return p["online"] == true, p.String()
	})
	var killed time.Time
	f.talk(t, cs, room, 30, func() {
		changes(cs, us, room)
		f.Kill(t, "gateway-1")
		killed = time.Now()
		changes(cs, us, room)
	})
	if code, _ := gone.Closed(t); code != 1006 {
		t.Errorf("a killed gateway closed with %d", code)
	}
	testkit.Eventually(t, 20*time.Second-time.Since(killed), func() (bool, string) {
		for _, fr := range watcher.Frames() {
			for _, u := range fr.List("users") {
				if fr.Type() == "presence" && u.Num("user_id") == alone.ID && u["online"] == false {
					return true, ""
				}
			}
		}
		return false, "a killed gateway's user is still shown online"
	})
	if p := f.api.Must(t, 200, "GET", fmt.Sprintf("/users/%d/presence", us[0].ID), us[1].Token, nil); p["online"] != true {
		t.Errorf("who has come back at the other gateway is shown as %s", p)
	}
	f.talk(t, cs, room, 5, func() {})
	history.MustHold(t, h.Events(), history.LoadDump(t, f.DB.DB))
	f.Restart(t, "gateway-1")
}

func (f *faults) withoutRabbit(t *testing.T) {
	good(t, "sends recover after RabbitMQ", "code unavailable", "< error")
	us := f.users(t, 2)
	one, two := f.dial(t, 1, us[0]), f.dial(t, 2, us[1])
	room := f.api.CreateRoom(t, us[0], us[1])
	one.Expect(t, is("joined"))
	two.Expect(t, is("joined"))
	f.rabbit.Refuse(true)
	f.rabbit.Cut()
	id := fresh()
	send := obj{"type": "message", "room_id": room, "content": "in the dark", "client_msg_id": id}
	one.Send(t, send)
	checkError(t, one.Expect(t, is("error", "ref", id)), "unavailable")
	one.Ping(t)
	stored := f.post(t, us[1], room, "REST goes on")
	f.rabbit.Resume()
	again := func(s *sock, send obj) frame {
		t.Helper()
		var ack frame
		testkit.Eventually(t, time.Minute, func() (bool, string) {
			s.Send(t, send)
			a := s.Expect(t, testkit.Any(is("ack", "client_msg_id", send["client_msg_id"]), is("error", "ref", send["client_msg_id"])))
			if ack = a; a.Type() == "error" {
				checkError(t, a, "unavailable")
			}
			return a.Type() == "ack", a.String()
		})
		return ack
	}
	again(one, send)
	arrives(t, two, room, is("message", "content", "in the dark"))
	arrives(t, one, room, is("message", "seq", stored, "content", "REST goes on"))
	if n := f.number(t, "SELECT COUNT(*) FROM messages WHERE room_id = ? AND client_msg_id = ?", room, id); n != 1 {
		t.Errorf("a message that was sent again is there %d times", n)
	}
	again(two, obj{"type": "message", "room_id": room, "content": "light", "client_msg_id": fresh()})
	arrives(t, one, room, is("message", "content", "light"))
}

// arrives waits for a message as a client does whose gateway may have been cut off meanwhile: of what it has missed
// the gateway may tell the head only, and the client asks for the rest.
func arrives(t *testing.T, s *sock, room uint64, m testkit.Match) {
	t.Helper()
	told := func(f frame) bool { return f.Type() == "head" && f.Obj("rooms").Has(fmt.Sprint(room)) }
	for s.Expect(t, testkit.Any(m, told)).Type() == "head" {
		s.Send(t, obj{"type": "sync", "rooms": obj{fmt.Sprint(room): 1}})
	}
}

func (f *faults) workersStuck(t *testing.T) {
	good(t, "close 4005", "code unavailable", "close reason")
	us := f.users(t, 2)
	s, to := f.dial(t, 1, us[0]), f.dial(t, 2, us[1])
	room := f.api.CreateRoom(t, us[0], us[1])
	to.Expect(t, is("joined"))
	f.Pause(t, "worker-1")
	f.Pause(t, "worker-2")
	id := fresh()
	send := obj{"type": "message", "room_id": room, "content": "is anybody there?", "client_msg_id": id}
	s.Send(t, send)
	closed(t, testkit.Dial(t, f.WS(2), us[1].Token), 4005)
	checkError(t, s.Expect(t, is("error", "ref", id)), "unavailable")
	f.Resume(t, "worker-1")
	f.Resume(t, "worker-2")
	s.Send(t, send)
	s.Expect(t, is("ack", "client_msg_id", id))
	arrives(t, to, room, is("message", "client_msg_id", id))
	if n := f.number(t, "SELECT COUNT(*) FROM messages WHERE room_id = ?", room); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
}

func (f *faults) withoutMySQL(t *testing.T) {
	good(t, "code unavailable", "Retry-After")
	u := f.users(t, 1)[0]
	f.mysql.Refuse(true)
	f.mysql.Cut()
	refused(t, f.api, want{503, "unavailable", ""}, "GET", "/rooms", u.Token, nil)
	refused(t, f.api, want{503, "unavailable", ""}, "POST", "/rooms", u.Token, obj{"name": "n"})
	refused(t, f.api, want{503, "unavailable", ""}, "POST", "/auth/login", "", obj{"username": u.Username, "password": u.Password})
	f.mysql.Resume()
	testkit.Eventually(t, patience, func() (bool, string) {
		status, p := f.api.Do(t, "GET", "/rooms", u.Token, nil)
		return status == 200, p.String()
	})
}
