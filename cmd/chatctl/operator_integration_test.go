//go:build integration

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-service/internal/broker"
	"chat-service/internal/broker/queues"
	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/ops/doctor"
	"chat-service/internal/ops/spread"
	"chat-service/internal/ops/stack"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/test/testkit"
)

// place is an installation of a test's own on the real servers, and its settings in the environment.
type place struct {
	db      testkit.Database
	configs string // worker.yaml in there is the product's
}

// settle makes the installation; its schema is migrated by the command itself.
func settle(t *testing.T) *place { t.Helper(); return settleOn(t, testkit.MySQLDSN(t)) }

func settleOn(t *testing.T, dsn string) *place {
	t.Helper()
	configs, err := filepath.Abs("../../configs")
	if err != nil {
		t.Fatal(err)
	}
	p := &place{db: testkit.FreshDatabaseOn(t, dsn), configs: configs}
	prefix := testkit.FreshPrefix(t)
	clean(t)
	host, port, err := net.SplitHostPort(testkit.RedisAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"DATABASE_HOST": p.db.Host, "DATABASE_PORT": p.db.Port, "DATABASE_USER": p.db.User, "DATABASE_PASSWORD": p.db.Password, "DATABASE_DBNAME": p.db.Name,
		"REDIS_HOST": host, "REDIS_PORT": port, "RABBITMQ_URL": testkit.AMQPURL(t), "RABBITMQ_EXCHANGE": prefix + ".exchange",
		"RABBITMQ_PARTITIONS": "4", "RABBITMQ_QUEUE_TYPE": "classic",
	} {
		t.Setenv("CHAT_"+name, value)
	}
	return p
}

// populate migrates and opens the store as a process does.
func (p *place) populate(t *testing.T) *store.Store {
	t.Helper()
	must(t, "migrate")
	port, err := strconv.Atoi(p.db.Port)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(db.Options{
		Host: p.db.Host, Port: port, User: p.db.User, Password: p.db.Password, DBName: p.db.Name,
		Partitions: 4, Limits: chat.DefaultLimits(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Operator.Partitions(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	if err := db.Operator.Beat(t.Context(), chat.LiveWorker{Boot: "boot-1"}); err != nil {
		t.Fatal(err)
	}
	return db
}

// consume consumes the partitions, as the workers would that populate enters, until the returned function is called.
func (p *place) consume(t *testing.T) (end func()) {
	t.Helper()
	o := broker.Options{URL: testkit.AMQPURL(t), Prefix: strings.TrimSuffix(os.Getenv("CHAT_RABBITMQ_EXCHANGE"), ".exchange"), QueueType: "classic", Partitions: 4}
	c, err := broker.NewConsumers(o, 1, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	c.Set([]int{0, 1, 2, 3}, nil)
	testkit.Eventually(t, 20*time.Second, func() (bool, string) {
		all, err := queues.Look(t.Context(), o)
		return err == nil && !slices.ContainsFunc(all, func(q queues.Inbound) bool { return q.Consumers == 0 }), fmt.Sprint(all, err)
	})
	return end
}

// nobody takes deliveries and does nothing.
type nobody struct{}

func (nobody) Opened(int, uint64)    {}
func (nobody) Take(b envelope.Batch) { b.Ack() }
func (nobody) Closed(int, uint64)    {}

// must runs a command that has to succeed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, err := chatctl(t, args...)
	if err != nil {
		t.Fatalf("chatctl %s: %v\n%s%s", strings.Join(args, " "), err, out, errs)
	}
	return out
}

// fails runs a command that has to end with exit code 1, and returns what it printed.
func fails(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, err := chatctl(t, args...)
	var code exitError
	if !errors.As(err, &code) || code != 1 {
		t.Fatalf("chatctl %s: %v, want exit code 1\n%s%s", strings.Join(args, " "), err, out, errs)
	}
	return out
}

func fromJSON[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func (p *place) exec(t *testing.T, q string, args ...any) {
	t.Helper()
	if _, err := p.db.DB.ExecContext(t.Context(), q, args...); err != nil {
		t.Fatal(err)
	}
}

// people makes a group room of two with three messages.
func people(t *testing.T, db *store.Store) (owner, other chat.User, room chat.RoomID) {
	t.Helper()
	var us [2]chat.User
	for i, name := range []string{"alice", "bob"} {
		u, err := db.Accounts.CreateUser(t.Context(), chat.User{Username: name, Nickname: name, Email: name + "@example.com", PasswordHash: "hash-of-" + name})
		if err != nil {
			t.Fatal(err)
		}
		us[i] = u
	}
	m, err := db.Rooms.CreateRoom(t.Context(), chat.NewRoom{Owner: us[0].ID, Name: "Room", Members: []chat.UserID{us[1].ID}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := db.Messages.Post(t.Context(), chat.Send{Room: m.Room.ID, Sender: us[0].ID, ClientMsgID: fmt.Sprint("m", i), Content: "hello"}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return us[0], us[1], m.Room.ID
}

func TestMigrateMakesTheDatabaseAndItsSchema(t *testing.T) {
	for name, dsn := range map[string]string{"MariaDB": testkit.MySQLDSN(t), "MySQL": testkit.MySQL8DSN(t)} {
		t.Run(name, func(t *testing.T) {
			p := settleOn(t, dsn)
			if out := fails(t, "migrate", "--status"); !strings.Contains(out, "run chatctl migrate") {
				t.Errorf("status of an empty database: %s", out)
			}
			p.exec(t, "DROP DATABASE "+p.db.Name)
			if out := fails(t, "migrate", "--status"); !strings.Contains(out, "is missing: run chatctl migrate") {
				t.Errorf("status without a database: %s", out)
			}
			first := fromJSON[migrated](t, must(t, "migrate", "--json"))
			again := fromJSON[migrated](t, must(t, "migrate", "--json"))
			if first.Before != 0 || first.Version < 1 || !first.UpToDate || again.Before != first.Version || again.Version != first.Version {
				t.Errorf("first %+v, again %+v", first, again)
			}
			if out := must(t, "migrate", "--status"); !strings.Contains(out, "up to date at version") || !strings.Contains(out, "APPLIED") {
				t.Errorf("status: %s", out)
			}
		})
	}
}

func TestUpMigratesItsOwnServers(t *testing.T) {
	p := settle(t)
	env := map[string]string{"CHAT_DATABASE_DBNAME": p.db.Name}
	p.exec(t, "DROP DATABASE "+p.db.Name)
	t.Setenv("CHAT_DATABASE_DBNAME", "somewhere_else")
	var out strings.Builder
	if err := migrateRun(p.configs, stack.NewProgress(&out))(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "creating database "+p.db.Name) || !strings.Contains(out.String(), "schema is at version") {
		t.Errorf("progress: %s", out.String())
	}
	t.Setenv("CHAT_DATABASE_DBNAME", p.db.Name)
	must(t, "migrate", "--status")
}

func TestLookUps(t *testing.T) {
	p := settle(t)
	db := p.populate(t)
	alice, _, room := people(t, db)
	for _, who := range []string{alice.ID.String(), "Alice", "alice@example.com"} {
		out := must(t, "user", who, "--json")
		v := fromJSON[userView](t, out)
		if v.ID != alice.ID || v.Username != "alice" || v.Rooms != 1 || v.Online == nil || *v.Online || v.Partition != alice.ID.Partition(4) {
			t.Errorf("user %s: %s", who, out)
		}
		if table := must(t, "user", who); !strings.Contains(table, "alice@example.com") || strings.Contains(out+table, "hash-of") {
			t.Errorf("user %s: %s", who, table)
		}
	}
	t.Setenv("CHAT_REDIS_PORT", "1")
	if v := fromJSON[userView](t, must(t, "user", "alice", "--json")); v.Online != nil {
		t.Error("online is known without Redis")
	}
	out := must(t, "room", room.String(), "--json")
	r := fromJSON[roomView](t, out)
	if r.ID != room || r.Members != 2 || r.Messages != 3 || uint64(r.LastSeq) != r.TopSeq || r.WorkerOwner != "boot-1" || r.Owner != alice.ID {
		t.Errorf("room: %s", out)
	}
	p.exec(t, "UPDATE rooms SET last_seq = last_seq + 5 WHERE id = ?", room)
	if _, errs, err := chatctl(t, "room", room.String()); err != nil || !strings.Contains(errs, "damaged") {
		t.Errorf("a damaged room: %v, %s", err, errs)
	}
	for _, args := range [][]string{{"user", "nobody"}, {"user", "99"}, {"room", "99"}} {
		if _, _, err := chatctl(t, args...); err == nil || !strings.Contains(err.Error(), args[1]) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestNumbersAsNames: a number that is one user's id and another's name is taken for neither, also where something would be done to them.
func TestNumbersAsNames(t *testing.T) {
	p := settle(t)
	db := p.populate(t)
	alice, bob, _ := people(t, db)
	number := alice.ID.String()
	p.exec(t, "UPDATE users SET username = ? WHERE id = ?", number, bob.ID)
	for _, args := range [][]string{{"user", number}, {"user", "disable", number}, {"audit", "--user", number}} {
		_, _, err := chatctl(t, args...)
		if err == nil || !strings.Contains(err.Error(), "user "+number+" (alice)") ||
			!strings.Contains(err.Error(), fmt.Sprintf("user %s (%s): say id:%s or name:%s", bob.ID, number, number, number)) {
			t.Errorf("%v: %v", args, err)
		}
	}
	for who, want := range map[string]chat.UserID{
		"id:" + number: alice.ID, "name:" + number: bob.ID, "name:alice": alice.ID, "name:alice@example.com": alice.ID, bob.ID.String(): bob.ID,
	} {
		if v := fromJSON[userView](t, must(t, "user", who, "--json")); v.ID != want {
			t.Errorf("user %s is %s, want %s", who, v.ID, want)
		}
	}
	for _, who := range []string{"id:alice", "id:", "id:99", "name:", "name:nobody"} {
		if _, _, err := chatctl(t, "user", who); err == nil || !strings.Contains(err.Error(), strconv.Quote(who)) {
			t.Errorf("user %s: %v", who, err)
		}
	}
	p.exec(t, "UPDATE users SET username = 'bob' WHERE id = ?", bob.ID)
	p.exec(t, "UPDATE users SET username = ? WHERE id = ?", number, alice.ID)
	if v := fromJSON[userView](t, must(t, "user", number, "--json")); v.ID != alice.ID {
		t.Errorf("whose name is their own id: %s", v.ID)
	}
}

func TestPartitionsShowTheSpread(t *testing.T) {
	p := settle(t)
	db := p.populate(t)
	if err := db.Operator.Beat(t.Context(), chat.LiveWorker{Boot: "boot-2"}); err != nil {
		t.Fatal(err)
	}
	_, _, room := people(t, db)
	if _, errs, err := chatctl(t, "partitions"); err != nil || !strings.Contains(errs, "partitions 0 1 2 3 have an owner and no consumer") {
		t.Errorf("nobody consumes: %v\n%s", err, errs)
	}
	p.consume(t)
	out := must(t, "partitions", "--json")
	sp := fromJSON[spread.Spread](t, out)
	if len(sp.Workers) != 2 || sp.Workers[0].Owns != 2 || sp.Workers[1].Owns != 2 || len(sp.Partitions) != 4 || *sp.Partitions[3].Consumers != 1 || !sp.Partitions[room.Partition(4)].Outbox {
		t.Errorf("spread: %s", out)
	}
	plan := fromJSON[spread.Plan](t, must(t, "partitions", "plan", "--without", "boot-2", "--json"))
	if len(plan.Moves) != 2 || plan.Moves[0].From != "boot-2" || plan.After[0].Owns != 4 {
		t.Errorf("plan without boot-2: %+v", plan)
	}
	if out := must(t, "partitions", "plan", "--workers", "3"); !strings.Contains(out, "new-1") || !strings.Contains(out, " of 4 partitions would move") {
		t.Errorf("plan of a third worker:\n%s", out)
	}
	if _, errs, err := chatctl(t, "partitions", "plan", "--workers", "5"); err != nil || !strings.Contains(errs, "1 workers would own nothing") {
		t.Errorf("more workers than partitions: %v\n%s", err, errs)
	}
	t.Setenv("CHAT_RABBITMQ_PARTITIONS", "8")
	table, errs, err := chatctl(t, "partitions")
	if err != nil || !strings.Contains(errs, "set rabbitmq.partitions to 4") || strings.Count(table, "boot-") < 6 {
		t.Errorf("with the wrong number: %v\n%s%s", err, table, errs)
	}
}

func TestUnreadIsVerifiedAndRepaired(t *testing.T) {
	p := settle(t)
	db := p.populate(t)
	_, bob, room := people(t, db)
	if out := must(t, "unread", "verify"); !strings.Contains(out, "all counts are correct") {
		t.Errorf("verify: %s", out)
	}
	second, err := db.Rooms.CreateRoom(t.Context(), chat.NewRoom{Owner: bob.ID, Name: "Second"})
	if err != nil {
		t.Fatal(err)
	}
	p.exec(t, "UPDATE rooms SET msg_count = 9 WHERE id = ?", room)
	p.exec(t, "UPDATE members SET read_count = 7 WHERE user_id = ?", bob.ID)
	type result struct {
		Differences []difference `json:"differences"`
		Repaired    bool         `json:"repaired"`
	}
	all := fromJSON[result](t, fails(t, "unread", "verify", "--json"))
	one := fromJSON[result](t, fails(t, "unread", "verify", "--json", "--room", room.String()))
	if len(all.Differences) != 3 || len(one.Differences) != 2 || one.Differences[0] != (difference{Room: room, Have: 9, Want: 3}) || all.Repaired {
		t.Errorf("all %+v, one room %+v", all, one)
	}
	if one := fromJSON[result](t, fails(t, "unread", "verify", "--json", "--room", second.Room.ID.String())); len(one.Differences) != 1 {
		t.Errorf("the second room: %+v", one)
	}
	if out := must(t, "unread", "repair", "--room", second.Room.ID.String()); !strings.Contains(out, "1 counts corrected") {
		t.Errorf("repair of one room: %s", out)
	}
	if out := must(t, "unread", "repair"); !strings.Contains(out, "2 counts corrected") {
		t.Errorf("repair: %s", out)
	}
	must(t, "unread", "verify")
	if m, err := db.Messages.Membership(t.Context(), room, bob.ID); err != nil || m.Unread() != 3 {
		t.Errorf("bob has %d unread, %v", m.Unread(), err)
	}
	for _, verb := range []string{"verify", "repair"} {
		if _, _, err := chatctl(t, "unread", verb, "--room", "999"); err == nil || !strings.Contains(err.Error(), "no room 999") {
			t.Errorf("%s of a room that isn't there: %v", verb, err)
		}
	}
}

func TestEpochIsBumped(t *testing.T) {
	p := settle(t)
	db := p.populate(t)
	alice, _, room := people(t, db)
	other, err := db.Rooms.CreateRoom(t.Context(), chat.NewRoom{Owner: alice.ID, Name: "Other"})
	if err != nil {
		t.Fatal(err)
	}
	epochs := func() (a, b uint64) {
		rs, err := db.Messages.Rooms(t.Context(), []chat.RoomID{room, other.Room.ID})
		if err != nil || len(rs) != 2 {
			t.Fatal(rs, err)
		}
		return rs[0].Epoch, rs[1].Epoch
	}
	if _, _, err := chatctl(t, "epoch", "bump"); err == nil {
		t.Error("bumped without --yes")
	}
	if a, b := epochs(); a != 1 || b != 1 {
		t.Fatalf("epochs %d and %d before", a, b)
	}
	out, errs, err := chatctl(t, "epoch", "bump", "--room", room.String(), "--yes")
	if a, b := epochs(); err != nil || a != 2 || b != 1 || !strings.Contains(out, "is now 2") || !strings.Contains(errs, "1 workers are running") {
		t.Errorf("one room: epochs %d and %d, %v\n%s%s", a, b, err, out, errs)
	}
	must(t, "epoch", "bump", "--yes")
	if a, b := epochs(); a != 3 || b != 2 {
		t.Errorf("all rooms: epochs %d and %d", a, b)
	}
	if _, _, err := chatctl(t, "epoch", "bump", "--room", "999", "--yes"); err == nil || !strings.Contains(err.Error(), "no room 999") {
		t.Errorf("a room that isn't there: %v", err)
	}
}

func TestDeadCommandsAreListedShownAndDropped(t *testing.T) {
	p := settle(t)
	if _, _, err := chatctl(t, "dead", "list"); err == nil || !strings.Contains(err.Error(), "chatctl migrate") {
		t.Errorf("without a schema: %v", err)
	}
	db := p.populate(t)
	if out := must(t, "dead", "list"); !strings.Contains(out, "no dead commands") {
		t.Errorf("none: %s", out)
	}
	for i := range 4 {
		if err := db.Operator.Quarantine(t.Context(), chat.DeadCommand{Partition: i, Kind: "outbox", User: 1, Room: 2, Payload: []byte("text"), Reason: "broken\nbadly"}); err != nil {
			t.Fatal(err)
		}
	}
	type listed struct {
		Total int       `json:"total"`
		Dead  []deadRow `json:"dead_commands"`
	}
	got := fromJSON[listed](t, must(t, "dead", "list", "--limit", "2", "--json"))
	if got.Total != 4 || len(got.Dead) != 2 || got.Dead[0].Partition != 3 || got.Dead[0].Bytes != 4 {
		t.Fatalf("listed %+v", got)
	}
	table, errs, err := chatctl(t, "dead", "list", "--limit", "2")
	if err != nil || !strings.Contains(table, "broken badly") || !strings.Contains(errs, "2 of 4") {
		t.Errorf("table: %v\n%s%s", err, table, errs)
	}
	id := fmt.Sprint(got.Dead[0].ID)
	if r := fromJSON[deadRow](t, must(t, "dead", "show", id)); r.Payload != "text" || r.Reason != "broken\nbadly" {
		t.Errorf("shown %+v", r)
	}
	out, errs, err := chatctl(t, "dead", "drop", id, "999")
	if err != nil || !strings.Contains(out, "1 deleted") || !strings.Contains(errs, "1 of the ids do not exist") {
		t.Errorf("drop: %v\n%s%s", err, out, errs)
	}
	if _, _, err := chatctl(t, "dead", "show", id); err == nil || !strings.Contains(err.Error(), "chatctl dead list") {
		t.Errorf("shown after its drop: %v", err)
	}
	if out := must(t, "dead", "drop", "--all", "--yes"); !strings.Contains(out, "3 deleted") {
		t.Errorf("drop all: %s", out)
	}
}

// diagnosis is what doctor prints as JSON.
type diagnosis struct {
	OK       bool             `json:"ok"`
	Findings []doctor.Finding `json:"findings"`
}

// examine runs doctor; wantFail is part of the only failure, "" where there must be none.
func (p *place) examine(t *testing.T, wantFail string, args ...string) diagnosis {
	t.Helper()
	args = append([]string{"doctor", "--json", "--bin", "nowhere", "--config", filepath.Join(p.configs, "worker.yaml")}, args...)
	run := must
	if wantFail != "" {
		run = fails
	}
	d := fromJSON[diagnosis](t, run(t, args...))
	var failed []string
	for _, f := range d.Findings {
		if f.Level == doctor.Fail {
			failed = append(failed, f.Text+" → "+f.Do)
			if f.Do == "" {
				t.Errorf("%q does not say what to do", f.Text)
			}
		}
	}
	if d.OK != (wantFail == "") || wantFail == "" && len(failed) > 0 || wantFail != "" && (len(failed) != 1 || !strings.Contains(failed[0], wantFail)) {
		t.Errorf("failures %q, want %q", failed, wantFail)
	}
	return d
}

func TestDoctorFindsAGoodInstallationGood(t *testing.T) {
	for name, dsn := range map[string]string{"MariaDB": testkit.MySQLDSN(t), "MySQL": testkit.MySQL8DSN(t)} {
		t.Run(name, func(t *testing.T) {
			p := settleOn(t, dsn)
			p.populate(t)
			p.consume(t)
			d := p.examine(t, "")
			var texts []string
			for _, f := range d.Findings {
				texts = append(texts, f.Text)
			}
			all := strings.Join(texts, "\n")
			for _, want := range []string{
				"READ COMMITTED works", "innodb_flush_log_at_trx_commit is 1", "collations are those", "has 4 partitions, as configured", "clock is", "max_connections",
				"maxmemory-policy is noeviction", "login works; 4 queues", "no alarm is active", "has a consumer", "outbox: 0", "no dead commands", "1 workers are running", "open files",
			} {
				if !strings.Contains(all, want) {
					t.Errorf("nothing about %q in\n%s", want, all)
				}
			}
		})
	}
}

func TestDoctorChangesNothingBeforeTheFirstProcess(t *testing.T) {
	p := settle(t)
	must(t, "migrate")
	p.examine(t, "")
	var n int
	if err := p.db.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM meta").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows in meta, %v", n, err)
	}
	p.examine(t, "", "--declare") // makes the classic queues …
	t.Setenv("CHAT_RABBITMQ_QUEUE_TYPE", "quorum")
	p.examine(t, "")                                 // … which are not touched without it
	p.examine(t, "rabbitmq.queue_type", "--declare") // and don't fit any more
}

func TestDoctorFindsFaults(t *testing.T) {
	for _, tt := range []struct {
		name, fail string
		env        map[string]string // worker's settings that are wrong
		sql        string            // what happened to the database
		deaf       bool              // the worker on the list doesn't consume
	}{
		{name: "an owner doesn't consume", fail: "partitions 0 1 2 3 have an owner and no consumer", deaf: true, sql: "UPDATE workers SET beat_at = UTC_TIMESTAMP(6) + INTERVAL 1 MINUTE"},
		{name: "partitions", fail: "set rabbitmq.partitions to 4", env: map[string]string{"RABBITMQ_PARTITIONS": "8"}},
		{name: "database is unavailable", fail: "database.host", env: map[string]string{"DATABASE_PORT": "1"}},
		{name: "database is missing", fail: "chatctl migrate", env: map[string]string{"DATABASE_DBNAME": "not_there"}},
		{name: "schema is missing", fail: "chatctl migrate", sql: "DELETE FROM goose_db_version"},
		{name: "collation", fail: "messages.content", sql: "ALTER TABLE messages MODIFY content MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL"},
		{name: "redis is unavailable", fail: "redis.host", env: map[string]string{"REDIS_PORT": "1"}},
		{name: "rabbitmq is unavailable", fail: "rabbitmq.url", env: map[string]string{"RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:1/"}},
		{name: "rabbitmq's password", fail: "rabbitmq.url", env: map[string]string{"RABBITMQ_URL": strings.Replace(testkit.AMQPURL(t), "guest:guest@", "guest:wrong@", 1)}},
		{name: "queue type", fail: "rabbitmq.queue_type", env: map[string]string{"RABBITMQ_QUEUE_TYPE": "quorum"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := settle(t)
			p.populate(t)
			end := p.consume(t)
			p.examine(t, "") // declares the queues, too
			if tt.deaf {
				end()
			}
			for name, value := range tt.env {
				t.Setenv("CHAT_"+name, value)
			}
			if tt.sql != "" {
				p.exec(t, tt.sql)
			}
			d := p.examine(t, tt.fail)
			for _, f := range d.Findings {
				if strings.Contains(f.Text+f.Do, "wrong@") {
					t.Errorf("the password shows: %s", f.Text)
				}
			}
		})
	}
}

func TestDoctorWarnsOfWhatPilesUp(t *testing.T) {
	p := settle(t)
	db := p.populate(t)
	people(t, db)
	p.exec(t, "UPDATE outbox SET created_at = UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE")
	p.exec(t, "DELETE FROM workers")
	if err := db.Operator.Quarantine(t.Context(), chat.DeadCommand{Kind: "send", Payload: []byte("x"), Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	var warned []string
	for _, f := range p.examine(t, "").Findings {
		if f.Level == doctor.Warn {
			warned = append(warned, f.Text+" → "+f.Do)
		}
	}
	all := strings.Join(warned, "\n")
	for _, want := range []string{"the oldest for 1m0s", "no worker is running", "1 dead commands"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning %q in\n%s", want, all)
		}
	}
}

// A Redis of the test's own may be configured badly; a run's directory leads to it.
func TestDoctorFindsAnEvictingRedisOfARun(t *testing.T) {
	p := settle(t)
	p.populate(t)
	cache := os.Getenv("CHAT_PKG_CACHE")
	if cache == "" {
		cache = filepath.Join(t.TempDir(), "pkg")
	}
	path := filepath.Join(t.TempDir(), "run")
	d, err := stack.OpenDir(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := stack.Up(t.Context(), stack.Options{Dir: d, PkgCache: cache, Kinds: []stack.Kind{stack.Redis}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(context.WithoutCancel(t.Context())) })
	srv, _ := s.Server(stack.Redis)
	testkit.WriteFile(t, filepath.Join(path, "env.json"), fmt.Sprintf(`{"CHAT_REDIS_HOST": %q, "CHAT_REDIS_PORT": "%d"}`, srv.Host, srv.Port))
	t.Setenv("CHAT_REDIS_PORT", "1") // the run's address goes before it
	p.examine(t, "", "--run", path)
	r, err := testkit.DialRedis(srv.Addr(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	p.examine(t, "CONFIG SET maxmemory-policy noeviction", "--run", path)
}
