//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/chat"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/history"
	"chat-service/internal/test/testkit/sqldump"
)

// standstillPatience bounds what a step of these tests may take on a busy machine.
const standstillPatience = 90 * time.Second

// talk is a fleet with a few rooms in which two members talk all the time.
type talk struct {
	*testkit.Fleet
	h     *history.History
	rooms []uint64
	all   []*testkit.Chatter
	end   func() // nobody says anything any more
}

func startTalk(t *testing.T, partitions int) *talk {
	t.Helper()
	env := calm()
	env["CHAT_RABBITMQ_PARTITIONS"] = strconv.Itoa(partitions)
	w := &talk{Fleet: testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 2, APIs: 1, Env: env}), h: history.New()}
	said := map[uint64][2]*testkit.Chatter{}
	for range 8 {
		users := [2]testkit.User{w.API(1).User(t), w.API(1).User(t)}
		room := w.API(1).CreateRoom(t, users[0], users[1])
		both := [2]*testkit.Chatter{}
		for i, u := range users {
			both[i] = testkit.StartChatter(t, testkit.ChatterOptions{
				Name: fmt.Sprintf("%d.%d", room, i), User: u.ID, URL: func() string { return w.WS(1) }, Token: func() string { return u.Token },
				History: w.h, Seed: u.ID, All: true, Resend: time.Second,
			})
		}
		said[room], w.rooms, w.all = both, append(w.rooms, room), append(w.all, both[:]...)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var talking sync.WaitGroup
	talking.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for _, room := range w.rooms {
				said[room][n%2].Send(room, strconv.Itoa(n))
			}
		}
	})
	w.end = func() { cancel(); talking.Wait() }
	t.Cleanup(w.end)
	return w
}

// flows waits until something said from now on is acknowledged in every room.
func (w *talk) flows(t *testing.T) {
	t.Helper()
	since := w.h.Now()
	testkit.Eventually(t, standstillPatience, func() (bool, string) {
		said, in := map[string]bool{}, map[uint64]bool{}
		for _, e := range w.h.Events() {
			switch {
			case e.At < since:
			case e.Kind == history.Sent:
				said[e.ID] = true
			case e.Kind == history.Acked && said[e.ID]:
				in[e.Room] = true
			}
		}
		return len(in) == len(w.rooms), fmt.Sprintf("acks in %d of %d rooms", len(in), len(w.rooms))
	})
}

// rest waits until every client has what the server has.
func (w *talk) rest(t *testing.T) {
	t.Helper()
	testkit.Eventually(t, standstillPatience, func() (bool, string) {
		for _, c := range w.all {
			if ok, why := c.AtRest(); !ok {
				return false, why
			}
		}
		return true, ""
	})
}

// standstill runs a command that waits until all is stopped, and stops what it asks for. It returns what the command said.
func (w *talk) standstill(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		fmt.Fprintln(&all, line)
		switch {
		case strings.Contains(line, "stop the gateways"):
			w.Stop(t, "api-1")
			w.Stop(t, "gateway-1")
		case strings.Contains(line, "stop the workers: "):
			w.Stop(t, "worker-1")
			w.Stop(t, "worker-2")
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args[1:], err, &all)
	}
	return all.String()
}

// up starts everything again.
func (w *talk) up(t *testing.T) {
	t.Helper()
	for _, name := range []string{"worker-1", "worker-2", "gateway-1", "api-1"} {
		w.Restart(t, name)
	}
}

// TestResizeUnderLoad: while everybody talks, the number of partitions goes from 8 to 16 and, with an interruption, back: nothing that was
// acknowledged is lost, each room keeps its order, and no process works with another number.
func TestResizeUnderLoad(t *testing.T) {
	t.Parallel()
	w := startTalk(t, 8)
	w.flows(t)
	out, err := w.Command(t, "operator", "partitions", "resize", "--to", "16", "--yes", "--wait", "0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "nothing was changed: stop the gateways") {
		t.Fatalf("beside running processes: %v\n%s", err, out)
	}
	said := w.standstill(t, w.Command(t, "operator", "partitions", "resize", "--to", "16", "--yes"))
	if !strings.Contains(said, "done: set rabbitmq.partitions to 16") {
		t.Errorf("it says\n%s", said)
	}
	w.resized(t, 16)

	w.Launch(t, "worker", "worker-old", nil) // still configured for 8
	if !w.Ended(t, "worker-old", standstillPatience) || !strings.Contains(w.Log("worker-old", 20), "16 partitions, this process is configured for 8") {
		t.Errorf("a worker with the old number works:\n%s", w.Log("worker-old", 20))
	}
	w.SetEnv(t, "CHAT_RABBITMQ_PARTITIONS", "16")
	w.up(t)
	w.flows(t)

	cmd := w.Command(t, "operator", "partitions", "resize", "--to", "8", "--yes")
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	w.interrupted(t, cmd)
	w.Launch(t, "worker", "worker-early", map[string]string{"CHAT_RABBITMQ_PARTITIONS": "16"})
	if !w.Ended(t, "worker-early", standstillPatience) || !strings.Contains(w.Log("worker-early", 20), "run chatctl partitions resize --to 8 to its end") {
		t.Errorf("a worker starts within a change:\n%s", w.Log("worker-early", 20))
	}
	said = w.standstill(t, w.Command(t, "operator", "partitions", "resize", "--to", "8", "--yes"))
	if !strings.Contains(said, "going on with the change from 16 to 8 partitions") || !strings.Contains(said, "queues: 8 deleted") {
		t.Errorf("it says\n%s", said)
	}
	w.resized(t, 8)
	w.SetEnv(t, "CHAT_RABBITMQ_PARTITIONS", "8")
	w.up(t)
	w.flows(t)
	w.end()
	w.rest(t)
	for _, c := range w.all {
		c.Stop()
	}
	history.MustHold(t, w.h.Events(), history.LoadDump(t, w.DB.DB))
}

// interrupted runs a command like standstill, and kills it when it has begun to change something.
func (w *talk) interrupted(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stderr = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = out.Close()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.Contains(line, "stop the gateways"):
			w.Stop(t, "api-1")
			w.Stop(t, "gateway-1")
		case strings.Contains(line, "stop the workers: "):
			w.Stop(t, "worker-1")
			w.Stop(t, "worker-2")
		case strings.Contains(line, "no process starts until this is done"):
			_ = cmd.Process.Kill()
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Log("it was done before it could be killed") // on a machine that does nothing else
		if _, err := w.DB.DB.ExecContext(t.Context(), "UPDATE meta SET v = '16>8' WHERE k = 'partitions'"); err != nil {
			t.Fatal(err)
		}
	}
}

// resized checks the rooms' partitions, and that there are no queues of others.
func (w *talk) resized(t *testing.T, partitions int) {
	t.Helper()
	rows, err := w.DB.DB.QueryContext(t.Context(), "SELECT id, partition_no FROM rooms")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id uint64
		var p int
		if err := rows.Scan(&id, &p); err != nil {
			t.Fatal(err)
		}
		if want := chat.RoomID(id).Partition(partitions); p != want {
			t.Errorf("room %d is in partition %d of %d, want %d", id, p, partitions, want)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	conn, err := amqp.Dial(testkit.AMQPURL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclarePassive(fmt.Sprintf("%s.in.%d", w.Prefix, partitions), true, false, false, false, nil); err == nil {
		t.Errorf("there is still a queue of partition %d", partitions)
	}
}

// TestRestoreUnderLoad: a dump that was taken while everybody talked is restored while they talk: clients resync, nothing that was
// acknowledged before the dump is missing, what came later is gone, and counts are right.
func TestRestoreUnderLoad(t *testing.T) {
	t.Parallel()
	w := startTalk(t, 4)
	w.flows(t)
	begun := w.h.Now()
	file := filepath.Join(t.TempDir(), "chat.sql")
	sqldump.Dump(t, w.DB.DSN, file)
	w.flows(t)
	said := w.standstill(t, w.Command(t, "migration", "restore", file, "--yes"))
	cut := w.h.Now()
	for _, want := range []string{"is whole", "above 1", "Start the workers"} {
		if !strings.Contains(said, want) {
			t.Errorf("it doesn't say %q:\n%s", want, said)
		}
	}
	w.up(t)
	w.flows(t)
	w.end()
	w.rest(t)
	for _, c := range w.all {
		c.Stop()
	}
	if out := w.Chatctl(t, "unread", "verify"); !strings.Contains(out, "all counts are correct") {
		t.Errorf("unread counts after the restore: %s", out)
	}
	d := history.LoadDump(t, w.DB.DB)
	stored := map[string]bool{}
	for _, m := range d.Messages {
		stored[m.ClientMsgID] = true
	}
	for _, r := range d.Rooms {
		if r.Epoch < 2 {
			t.Errorf("room %d has epoch %d, want a higher one than clients knew", r.ID, r.Epoch)
		}
	}
	var after []history.Event
	acked, lost, based := 0, 0, map[string]bool{}
	for _, e := range w.h.Events() {
		switch {
		case e.Kind == history.Acked && e.At < begun:
			if acked++; !stored[e.ID] {
				t.Errorf("%s was acknowledged before the dump, and is missing", e.ID)
			}
		case e.Kind == history.Acked && e.At < cut && !stored[e.ID]:
			lost++
		case e.Kind == history.Based && e.At >= cut:
			based[e.Client] = true
		}
		if e.At >= cut || e.Kind == history.Sent || e.Kind == history.Opened {
			after = append(after, e)
		}
	}
	if acked == 0 || lost == 0 || len(based) != len(w.all) {
		t.Errorf("%d acknowledged before the dump, %d lost after it, %d of %d clients began their rooms anew: the test wants some, some and all",
			acked, lost, len(based), len(w.all))
	}
	for _, v := range history.Check(after, d) {
		if v.Rule != "I5" && v.Rule != "I13" { // their evidence reaches back before the restore
			t.Error(v)
		}
	}
}
