//go:build chaos

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/history"
)

// small is a world for one scenario.
func small(seed uint64) plan {
	return plan{Seed: seed, Clients: 60, Rooms: 8, Rate: 100, Numbers: true, Env: map[string]string{}}
}

// judged ends a scenario: rest, verdict, no violation.
func (w *world) judged(name string) {
	w.t.Helper()
	r := newResult()
	w.conclude(r, name)
	say("%s: %d acknowledged, %d violations", name, r.acked, total(r.violations))
}

// TestFailpoints kills workers exactly before the COMMIT, after it, after the publishing and before the inbound ack.
func TestFailpoints(t *testing.T) {
	for _, point := range []string{"before_commit=60", "after_commit=60", "after_publish=60", "before_ack=60", "webhook_answered=60"} {
		t.Run(point, func(t *testing.T) {
			o := small(11)
			o.Env["CHAT_FAULTS_KILL"], o.Env["CHAT_GATEWAY_ANSWER_TIMEOUT"], o.Prompt, o.Hooked = point, "6s", true, true
			w := newWorld(t, o)
			w.settle()
			w.traffic()
			reviveWorkers(t.Context(), w)
			w.judged("failpoint " + point)
		})
	}
}

// TestLastWord loses the last deliveries of every room, silently, with the gateways' queues, and with the routes.
func TestLastWord(t *testing.T) {
	for _, way := range []string{"stolen", "queues deleted", "routes vanished"} {
		t.Run(way, func(t *testing.T) {
			w := newWorld(t, small(12))
			w.settle()
			w.traffic()
			pause(t.Context(), 2*time.Second)
			w.hush()
			switch way {
			case "stolen":
				w.stealTail(t.Context())
			case "queues deleted":
				for _, rm := range w.rooms {
					rm.speakers[0].c.Send(rm.id, "the last word")
				}
				if _, _, err := deleteGateway.run(t.Context(), w, w.rnd(1)); err != nil {
					t.Fatal(err)
				}
			case "routes vanished":
				if err := w.flush(); err != nil {
					t.Fatal(err)
				}
				for _, rm := range w.rooms {
					rm.speakers[0].c.Send(rm.id, "the last word")
				}
			}
			w.judged("last word " + way)
		})
	}
}

// TestOlderBackup restores the database as it was before, raises the epoch, and wants every client to end with what the server has.
func TestOlderBackup(t *testing.T) {
	o := small(13)
	o.Quiet, o.Numbers = true, false
	w := newWorld(t, o)
	w.settle()
	w.traffic()
	pause(t.Context(), 3*time.Second)
	tables := w.backup()
	pause(t.Context(), 3*time.Second)
	w.still()
	for _, name := range w.Names() {
		if name != "worker-3" {
			w.Kill(t, name)
		}
	}
	w.restore(tables)
	cut := time.Since(w.began)
	w.chatctl("epoch", "bump", "--yes")
	for _, name := range w.Names() {
		if name != "worker-3" {
			w.Restart(t, name)
		}
	}
	w.connected()
	for range 20 {
		for _, rm := range w.rooms {
			rm.speakers[0].c.Send(rm.id, "after the restore")
		}
	}
	began := time.Now()
	if ok, why := w.atRest(quiescence); !ok {
		t.Fatalf("not whole %v after the restore: %s", quiescence, why)
	}
	say("older backup: every client has the server's log %.1f s after", time.Since(began).Seconds())
	for _, p := range w.people {
		p.c.Stop()
	}
	dump := history.LoadDump(t, w.DB.DB)
	var events []history.Event
	for _, e := range w.h.Events() { // what was acknowledged before is lost by order
		if e.At >= cut || e.Kind == history.Sent || e.Kind == history.Opened {
			events = append(events, e)
		}
	}
	for _, v := range history.Check(events, dump) {
		if v.Rule != "I5" && v.Rule != "I13" { // their evidence reaches back before the restore
			t.Error(v)
		}
	}
}

// backup copies the tables aside.
func (w *world) backup() (tables []string) {
	rows, err := w.DB.DB.QueryContext(w.t.Context(), "SHOW TABLES")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			w.t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	conn, err := w.DB.DB.Conn(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	do := func(q string) {
		if _, err := conn.ExecContext(w.t.Context(), q); err != nil {
			w.t.Fatalf("%s: %v", q, err)
		}
	}
	for _, name := range tables {
		do("CREATE TABLE backup_" + name + " LIKE " + name)
	}
	do("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
	do("START TRANSACTION WITH CONSISTENT SNAPSHOT")
	for _, name := range tables {
		do("INSERT INTO backup_" + name + " SELECT * FROM " + name)
	}
	do("COMMIT")
	return tables
}

func (w *world) restore(tables []string) {
	for _, name := range tables {
		for _, q := range []string{"DELETE FROM " + name, "INSERT INTO " + name + " SELECT * FROM backup_" + name, "DROP TABLE backup_" + name} {
			if _, err := w.DB.DB.ExecContext(w.t.Context(), q); err != nil {
				w.t.Fatalf("%s: %v", q, err)
			}
		}
	}
}

// chatctl runs the operator's tool on the world's database.
func (w *world) chatctl(args ...string) []byte {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), filepath.Join(os.Getenv(testkit.BinVar), "chatctl"), args...)
	cmd.Dir = testkit.Root(w.t)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "CHAT_") })
	cmd.Env = append(cmd.Env, "CHAT_DATABASE_HOST="+w.DB.Host, "CHAT_DATABASE_PORT="+w.DB.Port, "CHAT_DATABASE_USER="+w.DB.User,
		"CHAT_DATABASE_PASSWORD="+w.DB.Password, "CHAT_DATABASE_DBNAME="+w.DB.Name, "CHAT_JWT_SECRET="+w.Secret,
		"CHAT_RABBITMQ_URL="+testkit.AMQPURL(w.t), "CHAT_RABBITMQ_EXCHANGE="+w.Prefix, "CHAT_RABBITMQ_QUEUE_TYPE=classic")
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("chatctl %v: %v\n%s", args, err, out)
	}
	return out
}

// TestSpread wants the partitions spread within one of each other 10 s after a worker comes or goes, under load.
func TestSpread(t *testing.T) {
	w := newWorld(t, small(14))
	w.settle()
	w.traffic()
	for _, step := range []struct {
		name    string
		workers int
		do      func()
	}{
		{"a worker comes", 3, func() { w.Restart(t, "worker-3") }},
		{"a worker goes", 2, func() { w.Stop(t, "worker-3") }},
		{"a worker is killed", 1, func() { w.Kill(t, "worker-2") }},
		{"it is back", 2, func() { w.Restart(t, "worker-2") }},
	} {
		step.do()
		since := time.Now()
		testkit.Eventually(t, 10*time.Second, func() (bool, string) { return w.spread(step.workers) })
		d, missing := w.probes.await(since, served)
		if missing != "" {
			t.Fatalf("%s: %s is not served", step.name, missing)
		}
		say("%-20s partitions are spread %.1f s after, service whole %.2f s after", step.name, time.Since(since).Seconds(), d.Seconds())
	}
	w.judged("spread")
}

func (w *world) spread(workers int) (bool, string) {
	var s struct {
		Workers []struct {
			Boot string `json:"boot"`
			Owns int    `json:"owns"`
		} `json:"workers"`
	}
	if err := json.Unmarshal(w.chatctl("partitions", "--json"), &s); err != nil {
		return false, err.Error()
	}
	least, most := partitions, 0
	for _, x := range s.Workers {
		least, most = min(least, x.Owns), max(most, x.Owns)
	}
	owned := 0.0
	for _, name := range []string{"worker-1", "worker-2", "worker-3"} {
		if m, err := w.metrics(name); err == nil {
			owned += m.sum("chat_worker_partitions_owned")
		}
	}
	return len(s.Workers) == workers && most-least <= 1 && owned == partitions, fmt.Sprintf("%+v; they say that they own %v in all", s.Workers, owned)
}

// TestRedisAway stops Redis for a minute under load: sends succeed all the same.
func TestRedisAway(t *testing.T) {
	w := newWorld(t, small(15))
	w.settle()
	w.traffic()
	away := time.Duration(fromEnv("CHAOS_REDIS_AWAY", 60) * float64(time.Second))
	pause(t.Context(), 2*time.Second)
	from := time.Since(w.began)
	if err := w.srv.signal(stack.Redis, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	pause(t.Context(), away)
	to := time.Since(w.began)
	if err := w.srv.signal(stack.Redis, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	since := time.Now()
	d, ok, why := w.present(20 * time.Second)
	if !ok {
		t.Errorf("presence %v after Redis was back: %s", d, why)
	}
	whole, _ := w.probes.await(since, served)
	sent, failed := map[string]bool{}, map[string]bool{}
	for _, e := range w.h.Events() {
		if e.At < from || e.At > to || strings.HasPrefix(e.Client, "exile") {
			continue
		}
		switch e.Kind {
		case history.Sent:
			sent[e.Client+e.ID] = true
		case history.Nacked:
			if e.Word != "out_of_order" {
				failed[e.Client+e.ID] = true
			}
		}
	}
	say("Redis away for %v: %d sends, %d of them refused (%.3f %%); presence right %.1f s after, service whole %.2f s after", away, len(sent), len(failed),
		100*float64(len(failed))/float64(max(len(sent), 1)), d.Seconds(), whole.Seconds())
	if len(failed)*1000 > len(sent) {
		t.Errorf("%d of %d sends failed while Redis was away, more than 0.1 %%", len(failed), len(sent))
	}
	w.judged("Redis away")
}

// TestRollingRestart restarts every process in turn, in order, under load.
func TestRollingRestart(t *testing.T) {
	w := newWorld(t, small(16))
	w.settle()
	w.traffic()
	pause(t.Context(), 2*time.Second)
	for _, name := range []string{"worker-1", "worker-2", "api-1", "gateway-1", "gateway-2"} {
		since := time.Now()
		w.Restart(t, name)
		d, missing := w.probes.await(since, served)
		if missing != "" {
			t.Fatalf("%s: %s is not served", name, missing)
		}
		say("rolling restart: %-10s service whole %.2f s after", name, d.Seconds())
	}
	w.judged("rolling restart")
}

// crowd adds clients that only listen, several of each user.
func (w *world) crowd(n int) {
	w.t.Helper()
	const perUser = 8
	users := w.users((n + perUser - 1) / perUser)
	rm := w.rooms[0]
	for part := range slices.Chunk(users, 100) {
		w.api.Must(w.t, 200, "POST", fmt.Sprintf("/rooms/%d/members", rm.id), rm.owner.Token, obj{"member_ids": testkit.IDs(part...)})
	}
	for i := range n {
		w.enter(fmt.Sprintf("listening-%d", i), users[i/perUser], nil)
	}
	w.connected()
}

// TestDrain stops a gateway that holds many clients, in order: nobody sees 1006, nobody is offline for more than 3 s, nothing is lost.
func TestDrain(t *testing.T) {
	o := small(17)
	o.Rate, o.Quiet = 30, true
	o.Env["CHAT_GATEWAY_DRAIN"] = "10s"
	w := newWorld(t, o)
	w.settle()
	w.crowd(int(fromEnv("CHAOS_CROWD", 1000)))
	w.traffic()
	pause(t.Context(), 2*time.Second)
	from := time.Since(w.began)
	w.Stop(t, "gateway-1")
	pause(t.Context(), time.Second)
	w.connected()
	gone, codes, longest := w.absences(from)
	say("drain: %d clients moved, close codes %s, longest absence %.2f s", gone, counts(codes), longest.Seconds())
	if codes["1006"] > 0 || longest > 3*time.Second || gone == 0 {
		t.Errorf("drain: %d clients moved, close codes %s, longest absence %v", gone, counts(codes), longest)
	}
	w.Restart(t, "gateway-1")
	w.judged("drain")
}

// absences tells of the clients that lost their connection after from: how many, by which codes, how long they were away at most.
func (w *world) absences(from time.Duration) (n int, codes map[string]int, longest time.Duration) {
	codes = map[string]int{}
	gone := map[string]time.Duration{}
	for _, e := range w.h.Events() {
		if e.At < from || strings.HasPrefix(e.Client, visitor) {
			continue
		}
		switch e.Kind {
		case history.Closed:
			n++
			code := fmt.Sprint(e.Code)
			if e.Code == 1006 && strings.Contains(e.Word, "use of closed") {
				code = "own" // it left by itself after a goaway
			}
			codes[code]++
			gone[e.Client] = e.At
		case history.Opened:
			if at, ok := gone[e.Client]; ok {
				longest = max(longest, e.At-at)
				if e.At-at > 3*time.Second {
					say("    %s was away from %v to %v", e.Client, at, e.At)
				}
				delete(gone, e.Client)
			}
		}
	}
	return n, codes, longest
}

// TestStorm kills the gateway of half of the clients, a thousand of them, under load, and compares the database's queries with
// those of the minute before.
func TestStorm(t *testing.T) {
	o := small(18)
	o.Quiet, o.Rate = true, fromEnv("CHAOS_RATE", 250)
	o.Clients = int(fromEnv("CHAOS_CROWD", 2000))
	o.Rooms = 1 + o.Clients/10
	w := newWorld(t, o)
	w.settle()
	w.traffic()
	pause(t.Context(), 5*time.Second)
	q0, t0 := w.questions(), time.Now()
	pause(t.Context(), time.Duration(fromEnv("CHAOS_BEFORE", 60)*float64(time.Second)))
	steady := float64(w.questions()-q0) / time.Since(t0).Seconds()
	from := time.Since(w.began)
	kill := time.Now()
	w.Kill(t, "gateway-1")
	peak := 0.0
	for ctx, last, at := t.Context(), w.questions(), time.Now(); time.Since(kill) < 10*time.Second; {
		pause(ctx, time.Second)
		q, now := w.questions(), time.Now()
		peak = max(peak, float64(q-last)/now.Sub(at).Seconds())
		last, at = q, now
	}
	w.connected()
	_, ok, why := w.present(20*time.Second - time.Since(kill))
	right := time.Since(kill)
	away := w.resumed(from)
	nearly := away[len(away)*99/100]
	say("storm: %d clients back, 99 %% within %.2f s, all within %.2f s; database %.0f queries/s before, %.0f/s in the worst second (%.1f times); presence right: %v %s after %.1f s",
		len(away), nearly.Seconds(), away[len(away)-1].Seconds(), steady, peak, peak/steady, ok, why, right.Seconds())
	if peak > 3*steady {
		t.Errorf("the storm took %.0f queries/s, more than 3 times the %.0f/s before", peak, steady)
	}
	if nearly > 8*time.Second {
		t.Errorf("99 %% were back only within %v", nearly)
	}
	if !ok {
		t.Errorf("presence is wrong: %s", why)
	}
	w.Restart(t, "gateway-1")
	w.judged("storm")
}

// resumed tells how long each client was away that lost its connection after from.
func (w *world) resumed(from time.Duration) (away []time.Duration) {
	gone := map[string]time.Duration{}
	for _, e := range w.h.Events() {
		if e.At < from {
			continue
		}
		switch e.Kind {
		case history.Closed:
			gone[e.Client] = e.At
		case history.Opened:
			if at, ok := gone[e.Client]; ok {
				away = append(away, e.At-at)
				delete(gone, e.Client)
			}
		}
	}
	slices.Sort(away)
	return away
}

// questions is how many statements the database server has been asked since its start.
func (w *world) questions() (n int64) {
	var name string
	if err := w.DB.DB.QueryRowContext(context.Background(), "SHOW GLOBAL STATUS LIKE 'Questions'").Scan(&name, &n); err != nil {
		w.t.Fatal(err)
	}
	return n
}
