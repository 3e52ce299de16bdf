//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/history"
	"chat-service/internal/test/testkit/release"
)

// neighbours is a fleet of two of each process, of which some are of one build and some of a later one.
type neighbours struct {
	*world
	earlier, later testkit.Build

	us    []user   // two who share a room in every partition
	rooms []uint64 // one per partition
}

// TestNeighbours has processes of different builds share an installation. Its fleets run at the same time, and before the tests of the
// shared fleet.
func TestNeighbours(t *testing.T) {
	t.Run("ways", everyWay)
	t.Run("rolling upgrade", rollingUpgrade)
	t.Run("unknown kinds", unknownKinds)
}

// everyWay has processes of this tree run beside the release before's. Gateway 1 and api 1 are of the release before, gateway 2 and api 2
// of this tree; the workers are first both old, then one of each, then both new, and with each of these every way through the system is
// tried.
func everyWay(t *testing.T) {
	t.Parallel()
	n := startNeighbours(t, release.Before(t), thisBuild(t), "gateway-2", "api-2")
	n.stage(t, "workers of the release before")
	n.Replace(t, "worker-2", n.later)
	n.stage(t, "a worker of each")
	n.Replace(t, "worker-1", n.later)
	n.stage(t, "workers of this tree", n.lives)
}

// startNeighbours starts a fleet of the earlier build, but for some processes of the later one.
func startNeighbours(t *testing.T, earlier, later testkit.Build, exceptions ...string) *neighbours {
	t.Helper()
	n := &neighbours{earlier: earlier, later: later}
	env := calm()
	env["CHAT_WORKER_DIGEST_EVERY"] = "1s"
	f := testkit.StartFleet(t, testkit.FleetOptions{
		Gateways: 2, Workers: 2, APIs: 2, Env: env, BuildOf: func(process string) testkit.Build {
			if slices.Contains(exceptions, process) {
				return n.later
			}
			return n.earlier
		},
	})
	n.world = &world{Fleet: f, api: f.API(1)}
	n.us = n.users(t, 2)
	n.rooms = make([]uint64, partitions)
	for missing := partitions; missing > 0; {
		room := n.api.CreateRoom(t, n.us[0], n.us[1])
		if p := n.number(t, "SELECT partition_no FROM rooms WHERE id = ?", room); n.rooms[p] == 0 {
			n.rooms[p] = room
			missing--
		}
	}
	return n
}

// settled waits until each worker handles what belongs to its half of the partitions. A worker that is about to hand a partition over
// leaves commands to the next one, which can't tell whether they are repeats.
func (n *neighbours) settled(t *testing.T) {
	t.Helper()
	n.shares(t)
	from, to := n.dial(t, 1, n.us[0]), n.dial(t, 2, n.us[1])
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		since := n.counts(t)
		for _, room := range n.rooms {
			seq := n.chat(t, from, room, "hello")
			arrives(t, to, room, is("message", "room_id", room, "seq", seq))
		}
		c := n.counts(t)
		const committed = "chat_worker_messages_committed_total"
		one, two := c["worker-1"].sum(committed)-since["worker-1"].sum(committed), c["worker-2"].sum(committed)-since["worker-2"].sum(committed)
		return one == partitions/2 && two == partitions/2, fmt.Sprintf("of a message in each partition the workers commit %v and %v", one, two)
	})
}

// way is one way through a mixed fleet: what is done starts at the near gateway and at api, and is to show at the far one, too.
type way struct {
	*world
	near, far int
	other     testkit.API // the other release's api
}

// stage tries all ways with the workers that run now, and checks that no kind of delivery was left out.
func (n *neighbours) stage(t *testing.T, name string, more ...func(*testing.T)) {
	t.Run(name, func(t *testing.T) {
		n.settled(t)
		since := n.counts(t)
		t.Run("from", func(t *testing.T) {
			for _, w := range []way{
				{&world{Fleet: n.Fleet, api: n.API(1)}, 1, 2, n.API(2)},
				{&world{Fleet: n.Fleet, api: n.API(2)}, 2, 1, n.API(1)},
			} {
				for what, try := range map[string]func(*testing.T){
					"messages": w.messages, "reads and typing": w.reads, "leaving and joining": w.joins, "catching up": w.catchesUp,
					"gaps": w.gaps, "presence": w.watches, "tokens": w.renews, "replaced sockets": w.replaces, "too many sockets": w.tooMany, "revoked in silence": w.revokedInSilence,
					"rooms": w.rooms, "direct rooms": w.directRooms, "members": w.members, "posts and reads by REST": w.posts, "logins": w.logins,
				} {
					t.Run(fmt.Sprintf("gateway %d: %s", w.near, what), func(t *testing.T) {
						t.Parallel()
						try(t)
					})
				}
			}
		})
		n.redisStartsOver(t)
		for _, try := range more {
			try(t)
		}
		n.everyKind(t, since, len(more) > 0)
		n.sound(t)
	})
}

// redisStartsOver has Redis lose what it holds: the workers ask the gateways to report their sockets and rooms again.
func (n *neighbours) redisStartsOver(t *testing.T) {
	t.Helper()
	us := n.users(t, 2)
	room := n.api.CreateRoom(t, us[0], us[1])
	one, two := n.dial(t, 1, us[0]), n.dial(t, 2, us[1])
	n.routed(t, room, 1, 2)
	const asked = `chat_gateway_deliveries_total{kind="reassert"}`
	since := n.counts(t)
	n.forget(t)
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		c := n.counts(t)
		for _, g := range []string{"gateway-1", "gateway-2"} {
			if c[g][asked] == since[g][asked] {
				return false, g + " isn't asked for its sockets and rooms"
			}
		}
		for i, u := range us {
			for _, a := range []testkit.API{n.API(1), n.API(2)} {
				if p := a.Must(t, 200, "GET", fmt.Sprintf("/users/%d/presence", u.ID), us[1-i].Token, nil); p["online"] != true {
					return false, fmt.Sprintf("presence is %s", p)
				}
			}
		}
		return true, ""
	})
	n.routed(t, room, 1, 2)
	n.chat(t, one, room, "still here")
	two.Expect(t, is("message", "room_id", room, "content", "still here"))
}

// forget deletes the product's keys.
func (n *neighbours) forget(t *testing.T) {
	t.Helper()
	r := n.redis(t)
	v, err := r.Do("KEYS", n.Prefix+":*")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"DEL"}
	list, _ := v.([]any)
	for _, key := range list {
		args = append(args, fmt.Sprint(key))
	}
	if len(args) == 1 {
		t.Fatal("Redis holds nothing of the fleet's")
	}
	if _, err := r.Do(args...); err != nil {
		t.Fatal(err)
	}
}

// ofThisTree are the kinds of deliveries that the release before doesn't send.
var ofThisTree = []string{`{kind="changed"}`, `{kind="profile"}`}

// everyKind checks that each gateway has applied every kind of delivery that it knows, and that its workers send.
func (n *neighbours) everyKind(t *testing.T, since counts, all bool) {
	t.Helper()
	c := n.counts(t)
	for _, g := range []string{"gateway-1", "gateway-2"} {
		kinds := 0
		for name, v := range c[g] {
			if !strings.HasPrefix(name, "chat_gateway_deliveries_total{") || strings.Contains(name, `"unknown"`) {
				continue
			}
			if !all && slices.ContainsFunc(ofThisTree, func(kind string) bool { return strings.HasSuffix(name, kind) }) {
				continue
			}
			kinds++
			if v == since[g][name] {
				t.Errorf("%s: %s did not move: these ways leave a kind of delivery out", g, name)
			}
		}
		if kinds < 12 {
			t.Errorf("%s counts %d kinds of deliveries, want 12 or more", g, kinds)
		}
	}
}

// faultless are metrics that stay 0 where processes understand each other.
var faultless = []string{
	"chat_worker_panics_total", "chat_worker_quarantined_total", "chat_worker_unknown_commands_total", "chat_worker_outbox_unknown",
	"chat_gateway_bad_deliveries_total", "chat_gateway_lost_disconnects_total", `chat_gateway_deliveries_total{kind="unknown"}`,
}

// misunderstood are log lines of processes that don't.
var misunderstood = regexp.MustCompile(`(?i)"level":"(warn|error)".*(unknown|not known|malformed|can't be read|unreadable|quarantin|panic)`)

// sound checks that no process has met something that it doesn't understand, and that everything written was announced.
func (n *neighbours) sound(t *testing.T) {
	t.Helper()
	n.understood(t)
	testkit.Eventually(t, patience, func() (bool, string) {
		rows := n.number(t, "SELECT COUNT(*) FROM outbox")
		return rows == 0, fmt.Sprintf("%d rows wait in the outbox", rows)
	})
}

// understood checks the counts of the processes that run, all logs, and dead_commands.
func (n *neighbours) understood(t *testing.T) {
	t.Helper()
	for process, m := range n.counts(t) {
		for _, name := range faultless {
			if v := m.sum(name); v != 0 {
				t.Errorf("%s of %s is %v, want 0", name, process, v)
			}
		}
		for line := range strings.Lines(n.Log(process, 1<<20)) {
			if misunderstood.MatchString(line) {
				t.Errorf("%s logs %s", process, line)
			}
		}
	}
	if d := n.number(t, "SELECT COUNT(*) FROM dead_commands"); d != 0 {
		t.Errorf("%d commands are in dead_commands, want none", d)
	}
}

// rollingUpgrade replaces the processes one by one under load, from the release before to this tree and partly back: in every partition,
// no acknowledged message is lost, doubled or out of order at any member.
func rollingUpgrade(t *testing.T) {
	t.Parallel()
	n := startNeighbours(t, release.Before(t), thisBuild(t))
	c := n.crowd(t)
	guest := n.users(t, 1)[0]
	for i, step := range []struct {
		process string
		build   testkit.Build
		killed  bool
	}{
		{"worker-1", n.later, false},
		{"gateway-1", n.later, false},
		{"api-1", n.later, false},
		{"worker-2", n.later, true},
		{"gateway-2", n.later, true},
		{"api-2", n.later, false},
		{"worker-1", n.earlier, true},
		{"gateway-2", n.earlier, false},
		{"worker-2", n.earlier, false},
		{"worker-1", n.later, false},
	} {
		n.understood(t) // the counts of a process go with it
		c.speak()
		if step.killed {
			n.Kill(t, step.process)
		}
		n.Replace(t, step.process, step.build)
		c.speak()
		a := &world{Fleet: n.Fleet, api: n.API(1 + i%2)}
		a.api.Must(t, 200, "POST", roomPath(n.rooms[i], "/members"), n.us[0].Token, obj{"member_ids": []uint64{guest.ID}})
		a.post(t, guest, n.rooms[i], "by REST")
		c.sent++
		c.rest(t)
	}
	n.shares(t)
	c.speak()
	c.rest(t)
	if have := n.number(t, "SELECT COUNT(*) FROM messages WHERE kind = 'text'"); have != c.sent {
		t.Errorf("%d messages are there, %d were sent", have, c.sent)
	}
	history.MustHold(t, c.history.Events(), history.LoadDump(t, n.DB.DB))
	for _, room := range n.rooms {
		same(t, n.API(1).History(t, n.us[0], room), n.API(2).History(t, n.us[1], room))
	}
	n.sound(t)
}

// crowd are clients that follow the protocol, two of each of the two users; all are in the room of every partition.
type crowd struct {
	n       *neighbours
	history *history.History
	clients []*testkit.Chatter
	sent    uint64
}

func (n *neighbours) crowd(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{n: n, history: history.New()}
	f := &faults{world: n.world}
	for i := range 4 {
		u := n.us[i%2]
		login := n.api.Login(t, u.Username, u.Password, "")
		c.clients = append(c.clients, testkit.StartChatter(t, testkit.ChatterOptions{
			Name: fmt.Sprint("c", i), User: u.ID, URL: f.either(1 + i/2), Token: func() string { return login.Token },
			History: c.history, Seed: uint64(i + 1), All: true, Window: 8,
		}))
	}
	c.rest(t)
	return c
}

// speak has every client send a message in every room.
func (c *crowd) speak() {
	for _, room := range c.n.rooms {
		for _, client := range c.clients {
			c.sent++
			client.Send(room, fmt.Sprint("message ", c.sent))
		}
	}
}

// rest waits until every message is answered and every client has all of every room.
func (c *crowd) rest(t *testing.T) {
	t.Helper()
	for _, client := range c.clients {
		testkit.Eventually(t, time.Minute, client.AtRest)
	}
	for _, room := range c.n.rooms {
		last := c.n.number(t, "SELECT last_seq FROM rooms WHERE id = ?", room)
		for i, client := range c.clients {
			testkit.Eventually(t, time.Minute, func() (bool, string) {
				return client.Have(room) >= last, fmt.Sprintf("client %d has room %d up to %d of %d", i, room, client.Have(room), last)
			})
		}
	}
}

// same compares lists of objects.
func same(t *testing.T, one, two []frame) {
	t.Helper()
	if len(one) != len(two) {
		t.Errorf("one answers with %d objects, the other with %d", len(one), len(two))
		return
	}
	for i := range one {
		if firstEdition(one[i]) != firstEdition(two[i]) {
			t.Errorf("one answers with\n%s, the other with\n%s", one[i], two[i])
		}
	}
}

// containsAll reports whether s holds every part.
func containsAll(s string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(s, p) })
}

// inOrder checks that a socket has received the room's entries from seq 2 to last, each once and in order; its own sends count by their acks.
func inOrder(t *testing.T, s *sock, room, last uint64) {
	t.Helper()
	var have []uint64
	for _, f := range s.Frames() {
		if f.Num("room_id") == room && (f.Type() == "message" || f.Type() == "ack" && !f.Bool("duplicate")) {
			have = append(have, f.Num("seq"))
		}
	}
	want := []uint64{}
	for seq := uint64(2); seq <= last; seq++ {
		want = append(want, seq)
	}
	if !slices.Equal(have, want) {
		t.Errorf("received seqs %v, want 2 … %d in order", have, last)
	}
}

// pairOf opens sockets of two members of a new room at both gateways; the first user's begin with the near gateway, the second user's with
// the far one. All are attached to the room.
func (w way) pairOf(t *testing.T) (us []user, room uint64, first, second [2]*sock) {
	t.Helper()
	us = w.users(t, 2)
	first = [2]*sock{w.dial(t, w.near, us[0]), w.dial(t, w.far, us[0])}
	second = [2]*sock{w.dial(t, w.far, us[1]), w.dial(t, w.near, us[1])}
	room = w.api.CreateRoom(t, us[0], us[1])
	for _, s := range []*sock{first[0], first[1], second[0], second[1]} {
		s.Expect(t, is("joined"))
	}
	w.routed(t, room, w.near, w.far)
	return us, room, first, second
}

// sameEverywhere compares what both apis answer to reads.
func (w way) sameEverywhere(t *testing.T, u user, paths ...string) {
	t.Helper()
	for _, p := range paths {
		one, two := w.api.Must(t, 200, "GET", p, u.Token, nil), w.other.Must(t, 200, "GET", p, u.Token, nil)
		if firstEdition(one) != firstEdition(two) {
			t.Errorf("GET %s: one api answers with\n%s, the other with\n%s", p, one, two)
		}
	}
}
