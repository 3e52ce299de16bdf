//go:build e2e && flood

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"chat-service/internal/ops/bench/usage"
	"chat-service/internal/test/testkit"
)

const (
	floodFor  = 12 * time.Second
	neighbour = 100 * time.Millisecond // between two messages of a neighbour
)

// floods are what attackers do, each in a process of its own that has the lowest priority: it takes the time that nobody needs, as a machine
// elsewhere would.
var floods = []struct {
	name string
	run  func(e enemy, ctx context.Context)
}{
	{"one account: 20 sockets and REST", enemy.account},
	{"one account: syncs by 20 sockets", enemy.syncs},
	{"one account: pages of history", enemy.pages},
	{"one account: searches", enemy.searches},
	{"one account: new rooms", enemy.rooms},
	{"one account: its own logins", enemy.ownLogins},
	{"one address: 2,000 silent sockets", enemy.silence},
	{"one address: handshakes with bad tokens", enemy.connects},
	{"one address: logins", enemy.logins},
	{"one address: registrations", enemy.registers},
	{"one address: junk tokens by REST", enemy.junk},
}

// enemy is what an attacker knows, from its environment, and counts.
type enemy struct {
	ws, api, token, room string
	name, password       string // of the account
	done, refused        *atomic.Int64
	pace                 <-chan time.Time // of attempts; nil: as fast as they go
}

// TestFlooder is the attacker's process.
func TestFlooder(t *testing.T) {
	e := enemy{
		ws: os.Getenv("FLOOD_WS"), api: os.Getenv("FLOOD_API"), token: os.Getenv("FLOOD_TOKEN"), room: os.Getenv("FLOOD_ROOM"),
		name: os.Getenv("FLOOD_NAME"), password: os.Getenv("FLOOD_PASSWORD"), done: new(atomic.Int64), refused: new(atomic.Int64),
	}
	if rate, _ := strconv.Atoi(os.Getenv("FLOOD_RATE")); rate > 0 {
		ticks := time.NewTicker(time.Second / time.Duration(rate))
		defer ticks.Stop()
		e.pace = ticks.C
	}
	ctx, cancel := context.WithTimeout(t.Context(), floodFor)
	defer cancel()
	for _, f := range floods {
		if f.name == os.Getenv("FLOOD_KIND") {
			f.run(e, ctx)
			fmt.Printf("FLOOD done=%d refused=%d\n", e.done.Load(), e.refused.Load())
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// many runs f again and again in n goroutines.
func many(ctx context.Context, n int, f func()) {
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				f()
			}
		})
	}
	all.Wait()
}

// turn waits until another attempt may be made; false when the flood is over.
func (e enemy) turn(ctx context.Context) bool {
	if e.pace == nil {
		return ctx.Err() == nil
	}
	select {
	case <-e.pace:
		return true
	case <-ctx.Done():
		return false
	}
}

// count counts an answer.
func (e enemy) count(refused bool) {
	if refused {
		e.refused.Add(1)
	} else {
		e.done.Add(1)
	}
}

// request makes a REST call, a GET if there is no body; what comes back too late counts as refused.
func (e enemy) request(ctx context.Context, path, body string, taken func(status int) bool) {
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, e.api+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if e.token != "" {
		req.Header.Set("Authorization", "Bearer "+e.token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		e.count(true)
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	e.count(!taken(res.StatusCode))
}

// account sends from 20 sockets as fast as they take it, and by REST.
func (e enemy) account(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { e.sockets(ctx, `{"type":"message","room_id":`+e.room+`,"content":"flood"}`, "ack") })
	all.Go(func() {
		e.calls(ctx, 8, "/rooms/"+e.room+"/messages", `{"content":"flood"}`, http.StatusCreated)
	})
	all.Wait()
}

// syncs asks for all of a room again and again, from 20 sockets as fast as they take it.
func (e enemy) syncs(ctx context.Context) {
	e.sockets(ctx, `{"type":"sync","rooms":{"`+e.room+`":1}}`, "synced")
}

func (e enemy) pages(ctx context.Context) {
	e.calls(ctx, 32, "/rooms/"+e.room+"/messages?limit=100&around_seq=1", "", http.StatusOK)
}

func (e enemy) searches(ctx context.Context) { e.calls(ctx, 32, "/users?q=nobody", "", http.StatusOK) }

func (e enemy) rooms(ctx context.Context) {
	e.calls(ctx, 32, "/rooms", `{"name":"flood"}`, http.StatusCreated)
}

// ownLogins logs in with the right password.
func (e enemy) ownLogins(ctx context.Context) {
	e.token = ""
	e.calls(ctx, 32, "/auth/login", fmt.Sprintf(`{"username":%q,"password":%q}`, e.name, e.password), http.StatusOK)
}

// calls makes the same call again and again, n at a time.
func (e enemy) calls(ctx context.Context, n int, path, body string, done int) {
	many(ctx, n, func() {
		if e.turn(ctx) {
			e.request(ctx, path, body, func(status int) bool { return status == done })
		}
	})
}

// sockets sends the same frame from 20 sockets as fast as they take it, and counts answers of a type and errors; a socket that is closed
// is opened again.
func (e enemy) sockets(ctx context.Context, frame, answer string) {
	var all sync.WaitGroup
	defer all.Wait()
	many(ctx, 20, func() {
		conn, br, _, err := ws.Dial(ctx, e.ws+"?token="+e.token)
		if err != nil {
			e.count(true)
			pause(ctx, 100*time.Millisecond)
			return
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
		var r io.Reader = conn
		if br != nil {
			r = br
		}
		all.Go(func() {
			for {
				b, _, err := wsutil.ReadServerData(struct {
					io.Reader
					io.Writer
				}{r, conn})
				if err != nil {
					return
				}
				if done := bytes.Contains(b, []byte(`"type":"`+answer+`"`)); done || bytes.Contains(b, []byte(`"type":"error"`)) {
					e.count(!done)
				}
			}
		})
		for e.turn(ctx) {
			if wsutil.WriteClientText(conn, []byte(frame)) != nil {
				return
			}
		}
	})
}

// silence opens 2,000 sockets that say nothing, again when they are closed.
func (e enemy) silence(ctx context.Context) {
	many(ctx, 2000, func() {
		if !e.turn(ctx) {
			return
		}
		conn, _, _, err := ws.Dial(ctx, e.ws)
		e.count(err != nil)
		if err != nil {
			pause(ctx, time.Second)
			return
		}
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	})
}

// connects shakes hands with a bad token as fast as it is answered.
func (e enemy) connects(ctx context.Context) {
	many(ctx, 32, func() {
		if !e.turn(ctx) {
			return
		}
		conn, _, _, err := ws.Dial(ctx, e.ws+"?token=bad")
		e.count(err != nil)
		if err == nil {
			_ = conn.Close()
		}
	})
}

// logins guesses at passwords of many accounts.
func (e enemy) logins(ctx context.Context) {
	e.token = ""
	var n atomic.Int64
	many(ctx, 32, func() {
		if !e.turn(ctx) {
			return
		}
		e.request(ctx, "/auth/login", fmt.Sprintf(`{"username":"flood%d","password":"Spring2026"}`, n.Add(1)%1000),
			func(status int) bool { return status == http.StatusUnauthorized })
	})
}

// registers makes accounts.
func (e enemy) registers(ctx context.Context) {
	e.token = ""
	var n atomic.Int64
	many(ctx, 32, func() {
		if !e.turn(ctx) {
			return
		}
		e.request(ctx, "/auth/register", fmt.Sprintf(`{"username":"flood%d-%d","password":"Spring of 2026"}`, os.Getpid(), n.Add(1)),
			func(status int) bool { return status == http.StatusCreated })
	})
}

// junk calls with access and refresh tokens that nobody gave out.
func (e enemy) junk(ctx context.Context) {
	e.token = "junk"
	many(ctx, 32, func() {
		if !e.turn(ctx) {
			return
		}
		e.request(ctx, "/auth/refresh", `{"refresh_token":"junk"}`, func(status int) bool { return status == http.StatusUnauthorized })
		e.request(ctx, "/rooms/"+e.room+"/messages", `{"content":"flood"}`, func(status int) bool { return status == http.StatusUnauthorized })
	})
}

// spent is the CPU time that the fleet and its api have used: unlike the times to acks it doesn't depend on who else uses the machine.
func (w *world) spent(t *testing.T) (fleet, api time.Duration) {
	t.Helper()
	pids := map[string]int{}
	for _, name := range w.Names() {
		pids[name] = w.Pid(t, name)
	}
	now, err := usage.Take(pids)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range now.Procs {
		fleet += u.CPU
	}
	return fleet, now.Procs["api-1"].CPU
}

// TestFlood measures what others notice of a flood: the time to their acks, beside that right before it and right after it. The limits are
// the defaults. CHAT_TEST_FLOOD is a part of the names of the floods to measure, all if it is empty.
func TestFlood(t *testing.T) {
	fleet := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 2, Workers: 2, APIs: 1, Env: map[string]string{
		"CHAT_GATEWAY_DRAIN": "200ms", "CHAT_LOG_LEVEL": "warn",
	}})
	w := &world{Fleet: fleet, api: fleet.API(1)}
	w.shares(t)
	us := w.users(t, 21)
	var socks []*sock
	var rooms []uint64
	for i := 0; i < 20; i += 2 {
		rooms = append(rooms, w.api.CreateRoom(t, us[i], us[i+1]))
		socks = append(socks, w.dial(t, 1, us[i]), w.dial(t, 2, us[i+1]))
	}
	attacker := us[20]
	room := w.api.CreateRoom(t, attacker, us[0])
	for i := range 100 { // something to read
		w.api.Must(t, http.StatusCreated, "POST", roomPath(room, "/messages"), attacker.Token, obj{"content": fmt.Sprint("message ", i)})
	}
	measure := func() (p50, p99 time.Duration) {
		var mu sync.Mutex
		var all []time.Duration
		var wg sync.WaitGroup
		until := time.Now().Add(floodFor - 3*time.Second)
		for i, s := range socks {
			wg.Go(func() {
				tick := time.NewTicker(neighbour)
				defer tick.Stop()
				for time.Now().Before(until) {
					<-tick.C
					id, begun := fresh(), time.Now()
					s.Send(t, obj{"type": "message", "room_id": rooms[i/2], "content": "hello", "client_msg_id": id})
					s.Expect(t, is("ack", "client_msg_id", id))
					mu.Lock()
					all = append(all, time.Since(begun))
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		slices.Sort(all)
		return all[len(all)/2], all[len(all)*99/100]
	}
	measure() // warm
	fleetWas, apiWas := w.spent(t)
	b50, b99 := measure()
	fleetIs, apiIs := w.spent(t)
	t.Logf("%-42s p50 %6.1f ms  p99 %6.1f ms  (CPU %.1f s, of it the api %.1f)", "no flood", ms(b50), ms(b99),
		(fleetIs - fleetWas).Seconds(), (apiIs - apiWas).Seconds())
	before := b99
	for _, f := range floods {
		if !strings.Contains(f.name, os.Getenv("CHAT_TEST_FLOOD")) {
			continue
		}
		for rate, speed := range map[string]string{"1000": "1,000/s", "": "full speed"} {
			cmd := exec.CommandContext(t.Context(), "nice", "-n", "19", os.Args[0], "-test.run=^TestFlooder$")
			cmd.Env = append(os.Environ(), "FLOOD_KIND="+f.name, "FLOOD_WS="+w.WS(1), "FLOOD_API="+w.api.Base, "FLOOD_TOKEN="+attacker.Token,
				"FLOOD_NAME="+attacker.Username, "FLOOD_PASSWORD="+attacker.Password,
				fmt.Sprint("FLOOD_ROOM=", room), "FLOOD_RATE="+rate)
			var out bytes.Buffer
			cmd.Stdout = &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			fleetWas, apiWas = w.spent(t)
			pause(t.Context(), time.Second) // until the flood is under way
			p50, p99 := measure()
			fleetIs, apiIs = w.spent(t)
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%s: %v\n%s", f.name, err, out.String())
			}
			_, counts, _ := strings.Cut(out.String(), "FLOOD ")
			counts, _, _ = strings.Cut(counts, "\n")
			a50, a99 := measure()
			t.Logf("%-42s %-12s p50 %6.1f ms  p99 %6.1f ms  ratio %.2f  (after it: %.1f, %.1f; CPU %.1f s, of it the api %.1f; attacker: %s)", f.name,
				speed, ms(p50), ms(p99), float64(2*p99)/float64(before+a99), ms(a50), ms(a99),
				(fleetIs - fleetWas).Seconds(), (apiIs - apiWas).Seconds(), counts)
			before = a99
		}
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
