//go:build integration

package operator_test

import (
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/store/operator"
	"chat-service/internal/store/storetest"
)

// onBoth runs a test on both servers, each with an empty database.
func onBoth(t *testing.T, test func(t *testing.T, env string, o db.Options)) {
	t.Helper()
	for _, env := range []string{storetest.MariaDB, storetest.MySQL} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			o := storetest.Fresh(t, env)
			test(t, env, o)
		})
	}
}

func ask(t *testing.T, o db.Options) *operator.Server {
	t.Helper()
	s, err := operator.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func migrated(t *testing.T, o db.Options) *store.Store {
	t.Helper()
	o.Partitions = 4
	d, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := d.Operator.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestBeforeThereIsADatabase(t *testing.T) {
	onBoth(t, func(t *testing.T, env string, o db.Options) {
		o.DBName += "`x" // a name that has to be quoted
		s, ctx := ask(t, o), t.Context()
		if there, err := s.Exists(ctx); err != nil || there {
			t.Fatalf("exists %v, %v", there, err)
		}
		if ms, err := s.Migrations(ctx); err != nil || len(ms) != 0 {
			t.Errorf("migrations %v, %v", ms, err)
		}
		if n, err := s.Partitions(ctx); err != nil || n != 0 {
			t.Errorf("partitions %d, %v", n, err)
		}
		if _, _, err := s.Dead(ctx, 1); chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), "chatctl migrate") {
			t.Errorf("dead: %v", err)
		}
		for range 2 {
			if err := s.Create(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if there, err := s.Exists(ctx); err != nil || !there {
			t.Errorf("exists %v, %v after it was made", there, err)
		}
		storetest.Exec(t, env, "DROP DATABASE `"+strings.ReplaceAll(o.DBName, "`", "``")+"`")
	})
}

func TestWhatTheSchemaHolds(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, o db.Options) {
		s, ctx := ask(t, o), t.Context()
		if _, _, err := s.Backlog(ctx); chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), "chatctl migrate") {
			t.Errorf("backlog of an empty database: %v", err)
		}
		d := migrated(t, o)
		ms, err := s.Migrations(ctx)
		if err != nil || len(ms) == 0 || ms[0].Version != 1 || time.Since(ms[0].Applied).Abs() > 26*time.Hour {
			t.Errorf("migrations %v, %v", ms, err)
		}
		if n, example, err := s.StrangeColumns(ctx); err != nil || n != 0 {
			t.Errorf("%d strange columns, %s, %v", n, example, err)
		}
		if n, err := s.Partitions(ctx); err != nil || n != 0 {
			t.Errorf("partitions %d, %v before any process", n, err)
		}
		if err := d.Operator.Partitions(ctx, 4); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Partitions(ctx); err != nil || n != 4 {
			t.Errorf("partitions %d, %v", n, err)
		}
		u, err := d.Accounts.CreateUser(ctx, chat.User{Username: "ann"})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Accounts.RevokeSessions(ctx, u.ID, ""); err != nil { // something to announce
			t.Fatal(err)
		}
		if n, age, err := s.Backlog(ctx); err != nil || n != 1 || age < 0 {
			t.Errorf("backlog %d, %v, %v", n, age, err)
		}
	})
}

func TestTheServerItself(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, o db.Options) {
		s, ctx := ask(t, o), t.Context()
		if v, err := s.Version(ctx); err != nil || v == "" {
			t.Errorf("version %q, %v", v, err)
		}
		vars, err := s.Variables(ctx, "max_connections", "NO_SUCH_SETTING")
		if err != nil || len(vars) != 1 || vars["max_connections"] == "" {
			t.Errorf("settings %v, %v", vars, err)
		}
		if vars, err := s.Variables(ctx); err != nil || len(vars) != 0 {
			t.Errorf("no settings: %v, %v", vars, err)
		}
		if err := s.ReadCommitted(ctx); err != nil {
			t.Error(err)
		}
		if skew, err := s.Skew(ctx); err != nil || skew.Abs() > time.Hour { // one machine, but a busy one
			t.Errorf("skew %v, %v", skew, err)
		}
	})
}

func TestDeadCommands(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, o db.Options) {
		s, d, ctx := ask(t, o), migrated(t, o), t.Context()
		if ds, n, err := s.Dead(ctx, 5); err != nil || n != 0 || ds == nil || len(ds) != 0 {
			t.Errorf("none: %v, %d, %v", ds, n, err)
		}
		for i := range 4 {
			c := chat.DeadCommand{Partition: i, Kind: "send", User: 1, Room: 2, Payload: []byte("\xfftext"), Reason: "broken"}
			if err := d.Operator.Quarantine(ctx, c); err != nil {
				t.Fatal(err)
			}
		}
		ds, n, err := s.Dead(ctx, 2)
		if err != nil || n != 4 || len(ds) != 2 || ds[0].ID < ds[1].ID || ds[0].Partition != 3 || ds[0].Bytes != 5 || ds[0].Room != 2 {
			t.Fatalf("%+v, %d, %v", ds, n, err)
		}
		if one, payload, err := s.DeadCommand(ctx, ds[0].ID); err != nil || one != ds[0] || string(payload) != "\xfftext" {
			t.Errorf("one: %+v, %q, %v", one, payload, err)
		}
		if n, err := s.DropDead(ctx, []uint64{ds[0].ID, 999}); err != nil || n != 1 {
			t.Errorf("%d dropped, %v", n, err)
		}
		if _, _, err := s.DeadCommand(ctx, ds[0].ID); chat.KindOf(err) != chat.NotFound {
			t.Errorf("shown after its drop: %v", err)
		}
		if n, err := s.DropDead(ctx, nil); err != nil || n != 3 {
			t.Errorf("%d dropped, %v", n, err)
		}
	})
}

func TestUnreachableServer(t *testing.T) {
	o := storetest.Fresh(t, storetest.MariaDB)
	o.Port = 1
	if _, err := ask(t, o).Version(t.Context()); chat.KindOf(err) != chat.Unavailable {
		t.Errorf("nothing answers: %v", err)
	}
}

// TestAnAccountThatMayNot: making a database needs a right that the product's account need not have.
func TestAnAccountThatMayNot(t *testing.T) {
	onBoth(t, func(t *testing.T, env string, o db.Options) {
		user := o.DBName
		storetest.Exec(t, env, "CREATE USER "+user+" IDENTIFIED BY 'pw'", "GRANT SELECT ON "+o.DBName+".* TO "+user)
		t.Cleanup(func() { storetest.Exec(t, env, "DROP USER "+user) })
		poor := o
		poor.User, poor.Password, poor.DBName = user, "pw", o.DBName+"_other"
		if err := ask(t, poor).Create(t.Context()); chat.KindOf(err) != chat.Forbidden || !strings.Contains(err.Error(), "CREATE DATABASE") {
			t.Errorf("made without the right: %v", err)
		}
	})
}

func TestReplicationOfAServerThatReplicatesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, _ string, o db.Options) {
		if r, err := ask(t, o).Replication(t.Context()); err != nil || r != (operator.Replication{}) {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
