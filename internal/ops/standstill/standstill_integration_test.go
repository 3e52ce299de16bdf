//go:build integration

package standstill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"chat-service/internal/broker"
	"chat-service/internal/broker/queues"
	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/state"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/store/operator"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/sqldump"
)

const old = 8

// installation is one with 8 partitions, some rooms, and what a test does to it.
type installation struct {
	*Site
	db    testkit.Database
	o     db.Options
	said  strings.Builder
	owner chat.UserID
	rooms []chat.RoomID
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	in := &installation{db: testkit.FreshDatabase(t)}
	port, err := strconv.Atoi(in.db.Port)
	if err != nil {
		t.Fatal(err)
	}
	in.o = db.Options{Host: in.db.Host, Port: port, User: in.db.User, Password: in.db.Password, DBName: in.db.Name, Partitions: old}
	prefix := testkit.FreshPrefix(t)
	cache := state.Open(state.Options{Addrs: []string{testkit.RedisAddr(t)}, Prefix: prefix, Partitions: old, Timeout: 2 * time.Second}, state.NewMetrics(nil))
	console, err := operator.OpenPatient(in.o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(console.Close(), cache.Close()); err != nil {
			t.Error(err)
		}
	})
	in.Site = &Site{
		Console: console, Cache: cache, Broker: broker.Options{URL: testkit.AMQPURL(t), Prefix: prefix, QueueType: broker.Classic, Partitions: old, Name: "test"},
		Say: func(format string, args ...any) { fmt.Fprintf(&in.said, format+"\n", args...) },
		Store: func(partitions int) (*store.Store, error) {
			o := in.o
			o.Partitions = partitions
			return store.Open(o)
		},
		AnySession: true, // the test's own
	}
	in.with(t, func(s *store.Store) error {
		if err := errors.Join(s.Operator.Migrate(t.Context()), s.Operator.Partitions(t.Context(), old)); err != nil {
			return err
		}
		u, err := s.Accounts.CreateUser(t.Context(), chat.User{Username: "anna", Nickname: "Anna", PasswordHash: "x"})
		if err != nil {
			return err
		}
		in.owner = u.ID
		for i := range 20 {
			m, err := s.Rooms.CreateRoom(t.Context(), chat.NewRoom{Owner: u.ID, Name: fmt.Sprint("room ", i), Members: []chat.UserID{u.ID}})
			if err != nil {
				return err
			}
			in.rooms = append(in.rooms, m.Room.ID)
		}
		return nil
	})
	in.exec(t, "DELETE FROM outbox")
	in.consume(t)
	return in
}

// with runs fn on the store.
func (in *installation) with(t *testing.T, fn func(s *store.Store) error) {
	t.Helper()
	s, err := store.Open(in.o)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fn(s), s.Close()); err != nil {
		t.Fatal(err)
	}
}

func (in *installation) exec(t *testing.T, q string) {
	t.Helper()
	if _, err := in.db.DB.ExecContext(t.Context(), q); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

// nobody takes deliveries and does nothing.
type nobody struct{}

func (nobody) Opened(int, uint64)    {}
func (nobody) Take(b envelope.Batch) { b.Ack() }
func (nobody) Closed(int, uint64)    {}

// consume declares the queues, as workers do, and ends.
func (in *installation) consume(t *testing.T) {
	t.Helper()
	c, err := broker.NewConsumers(in.Broker, 1, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	c.Set([]int{0}, nil)
	testkit.Eventually(t, 20*time.Second, func() (bool, string) {
		all, err := queues.Look(t.Context(), in.Broker)
		return err == nil && all[old-1].There && all[0].Consumers > 0, fmt.Sprint(all, err)
	})
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// publish puts a message into a partition's queue.
func (in *installation) publish(t *testing.T, p int) {
	t.Helper()
	pub, err := broker.NewPublisher(in.Broker)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 20*time.Second, func() (bool, string) { return pub.Ready() == nil, fmt.Sprint(pub.Ready()) })
	done := make(chan error, 1)
	if err := pub.Publish(in.Broker.In(p), []byte("?"), func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-done, pub.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
}

// partitions counts the rooms that are not in their partition of n.
func (in *installation) wrong(t *testing.T, n int) (wrong int) {
	t.Helper()
	for _, id := range in.rooms {
		var p int
		if err := in.db.DB.QueryRowContext(t.Context(), "SELECT partition_no FROM rooms WHERE id = ?", id).Scan(&p); err != nil {
			t.Fatal(err)
		}
		if p != id.Partition(n) {
			wrong++
		}
	}
	return wrong
}

// TestNothingIsChangedWhileSomethingRuns: each thing that is in the way is named, with what to do.
func TestNothingIsChangedWhileSomethingRuns(t *testing.T) {
	in := newInstallation(t)
	refuses := func(says string) {
		t.Helper()
		err := in.Resize(t.Context(), 4)
		if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want something like %q", err, says)
		}
		if r, err := in.Console.Recorded(t.Context()); err != nil || r != (operator.Recorded{Partitions: old}) {
			t.Errorf("recorded %+v, %v", r, err)
		}
	}
	if err := in.Cache.BeatGateway(t.Context(), "g.1", time.Minute); err != nil {
		t.Fatal(err)
	}
	refuses("stop the gateways")
	if _, err := in.Cache.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	in.publish(t, 3)
	refuses("start the workers again, with 8 partitions, to process what is left: 1 batches")
	in.exec(t, "INSERT INTO workers (boot, started_at, beat_at) VALUES ('w', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL 1 HOUR)")
	refuses("leave the workers running")
	if n, err := queues.Purge(t.Context(), in.Broker); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	refuses("stop the workers: 1 run")
	in.exec(t, "DELETE FROM workers")
	in.exec(t, "INSERT INTO outbox (partition_no, room_id, kind, payload, created_at) VALUES (1, 1, 'x', '', UTC_TIMESTAMP(6))")
	refuses("1 announcements")
	in.exec(t, "DELETE FROM outbox")
	in.AnySession = false
	if err := in.db.DB.PingContext(t.Context()); err != nil { // as an api would
		t.Fatal(err)
	}
	refuses("stop the apis, and whoever else is connected")
	in.AnySession = true
	c, err := broker.NewConsumers(in.Broker, 1, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	c.Set([]int{2}, nil)
	testkit.Eventually(t, 20*time.Second, func() (bool, string) {
		all, err := queues.Look(t.Context(), in.Broker)
		return err == nil && all[2].Consumers > 0, fmt.Sprint(all, err)
	})
	refuses("stop the workers that still consume: 1 consumers")
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := in.Resize(t.Context(), 4); err != nil {
		t.Error(err)
	}
	if n := in.wrong(t, 4); n > 0 {
		t.Errorf("%d rooms have a wrong partition", n)
	}
}

// errInterrupted stands for a kill.
var errInterrupted = errors.New("interrupted")

// TestResizeGoesOn: interrupted before each of its steps, it keeps processes from starting, and does the rest when it is run again.
func TestResizeGoesOn(t *testing.T) {
	in := newInstallation(t)
	if err := in.Cache.BeatGateway(t.Context(), "g.1", time.Millisecond); err != nil { // something to forget
		t.Fatal(err)
	}
	have := old
	for i, step := range []string{"fence", "rooms", "queues", "redis", "record"} {
		to := []int{4, 16}[i%2]
		in.step = func(name string) error {
			if name == step {
				return errInterrupted
			}
			return nil
		}
		if err := in.Resize(t.Context(), to); !errors.Is(err, errInterrupted) {
			t.Fatalf("%s: %v", step, err)
		}
		in.with(t, func(s *store.Store) error {
			err := s.Operator.Partitions(t.Context(), old)
			if begun := step != "fence"; begun && !strings.Contains(fmt.Sprint(err), fmt.Sprintf("run chatctl partitions resize --to %d to its end", to)) {
				t.Errorf("%s: a process starts meanwhile: %v", step, err)
			}
			if _, err := in.Console.Partitions(t.Context()); (step == "fence") != (err == nil) {
				t.Errorf("%s: the number of partitions can be read meanwhile: %v", step, err)
			}
			return nil
		})
		in.step = nil
		if err := in.Resize(t.Context(), to); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		if n := in.wrong(t, to); n > 0 {
			t.Errorf("%s: %d rooms have a wrong partition of %d", step, n, to)
		}
		if r, err := in.Console.Recorded(t.Context()); err != nil || r != (operator.Recorded{Partitions: to}) {
			t.Errorf("%s: recorded %+v, %v", step, r, err)
		}
		o := in.Broker
		o.Partitions = 16
		all, err := queues.Look(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for p, q := range all {
			if q.There && p >= to {
				t.Errorf("%s: there is still a queue of partition %d", step, p)
			}
		}
		have = to
	}
	in.said.Reset()
	if err := in.Resize(t.Context(), have); err != nil || !strings.Contains(in.said.String(), "partitions already") {
		t.Errorf("the same number: %v, %s", err, &in.said)
	}
}

// TestRestoreGoesOn: the same of a restore. The epochs are above those that clients saw before it, whatever the dump says.
func TestRestoreGoesOn(t *testing.T) {
	in := newInstallation(t)
	file := filepath.Join(t.TempDir(), "chat.sql")
	sqldump.Dump(t, in.db.DSN, file)
	b := Backup{Dump: file}
	in.exec(t, "UPDATE rooms SET epoch = 5")
	for _, step := range []string{"fence", "load", "schema", "queues", "redis", "record"} {
		in.exec(t, "DELETE FROM members")
		in.publish(t, 3)
		in.step = func(name string) error {
			if name == step {
				return errInterrupted
			}
			return nil
		}
		if err := in.Restore(t.Context(), b); !errors.Is(err, errInterrupted) {
			t.Fatalf("%s: %v", step, err)
		}
		if _, err := in.Console.Partitions(t.Context()); (step == "fence") != (err == nil) {
			t.Errorf("%s: the number of partitions can be read meanwhile: %v", step, err)
		}
		in.step = nil
		var before, after uint64
		if err := in.db.DB.QueryRowContext(t.Context(), "SELECT MAX(epoch) FROM rooms").Scan(&before); err != nil {
			t.Fatal(err)
		}
		if err := in.Restore(t.Context(), b); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		if err := in.db.DB.QueryRowContext(t.Context(), "SELECT MIN(epoch) FROM rooms").Scan(&after); err != nil || after < 6 || after <= before && step != "record" {
			t.Errorf("%s: epoch %d after %d, %v", step, after, before, err)
		}
		if r, err := in.Console.Recorded(t.Context()); err != nil || r != (operator.Recorded{Partitions: old}) {
			t.Errorf("%s: recorded %+v, %v", step, r, err)
		}
		var members, progress int
		if err := in.db.DB.QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM members), (SELECT COUNT(*) FROM information_schema.tables"+
			" WHERE table_schema = DATABASE() AND table_name = 'restore_progress')").Scan(&members, &progress); err != nil || members == 0 || progress != 0 {
			t.Errorf("%s: %d members, %d tables of progress, %v", step, members, progress, err)
		}
		all, err := queues.Look(t.Context(), in.Broker)
		if err != nil || all[3].Messages != 0 {
			t.Errorf("%s: %+v, %v", step, all[3], err)
		}
	}

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	testkit.WriteFile(t, file, string(text[:len(text)/2]))
	if err := in.Restore(t.Context(), b); chat.KindOf(err) != chat.Invalid {
		t.Errorf("half a dump: %v", err)
	}
	var n int
	if err := in.db.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM rooms").Scan(&n); err != nil || n != len(in.rooms) {
		t.Errorf("half a dump replaced what was there: %d rooms, %v", n, err)
	}
	in.publish(t, 3)
	if err := in.Restore(t.Context(), Backup{KeepQueues: true, EpochAbove: 40}); err != nil {
		t.Fatal(err)
	}
	if err := in.db.DB.QueryRowContext(t.Context(), "SELECT MIN(epoch) FROM rooms").Scan(&n); err != nil || n != 41 {
		t.Errorf("epoch %d, %v, want 41", n, err)
	}
	if all, err := queues.Look(t.Context(), in.Broker); err != nil || all[3].Messages != 1 {
		t.Errorf("%+v, %v: want what was there", all[3], err)
	}
}
