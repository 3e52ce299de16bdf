//go:build integration

package doctor

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
)

// sqlOn runs statements on a server, as its administrator.
func sqlOn(t *testing.T, srv stack.Server) func(qs ...string) {
	t.Helper()
	db, err := sql.Open("mysql", srv.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return func(qs ...string) {
		t.Helper()
		for _, q := range qs {
			if _, err := db.ExecContext(t.Context(), q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
	}
}

// TestReplicas: a real primary and its replica, in each state that doctor names.
func TestReplicas(t *testing.T) {
	primary := private(t, stack.MySQL, "--server-id=1", "--log-bin=bin", "--sync-binlog=1")
	replica := private(t, stack.MySQL, "--server-id=2", "--log-bin=bin", "--sync-binlog=1")
	sqlOn(t, replica)("ALTER USER root@'127.0.0.1' IDENTIFIED BY '" + primary.Password + "', root@localhost IDENTIFIED BY '" + primary.Password + "'")
	replica.Password = primary.Password // as in every installation: doctor and the processes have one user for all
	there, here := sqlOn(t, primary), sqlOn(t, replica)

	x := onDatabase(primary)
	db, err := x.OpenStore()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Operator.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	look := func(addrs ...string) (Level, string) {
		x := onDatabase(primary)
		x.Database.Replicas = addrs
		x.mysql(t.Context())
		var about []Finding
		for _, f := range x.r.Findings {
			if strings.Contains(f.Text, "replica") {
				about = append(about, f)
			}
		}
		return worst(&Report{Findings: about})
	}
	want := func(level Level, says string, addrs ...string) {
		t.Helper()
		if got, text := look(addrs...); got != level || !strings.Contains(text, says) {
			t.Errorf("%s:\n%s\nwant %s and %q", got, text, level, says)
		}
	}

	want(Fail, "replicates from nobody", replica.Addr())
	want(Fail, "is writable", replica.Addr())
	want(Fail, "its schema is at version 0", replica.Addr())
	want(Fail, "it is the primary itself", primary.Addr())
	want(Fail, "take it out of database.replicas", "127.0.0.1:1")

	there("CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'repl-word'", "GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'")
	here("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT="+fmt.Sprint(primary.Port)+", MASTER_USER='repl', MASTER_PASSWORD='repl-word'",
		"SET GLOBAL read_only=ON", "START SLAVE")
	testkit.Eventually(t, patience, func() (bool, string) {
		level, text := look(replica.Addr())
		return level == OK && strings.Contains(text, "it follows the primary, 0s behind, and is read-only"), text
	})

	here("STOP SLAVE SQL_THREAD")
	want(Fail, "receiving: true, applying: false", replica.Addr())
	here("START SLAVE SQL_THREAD", "SET GLOBAL read_only=OFF")
	want(Fail, "second primary", replica.Addr())
	here("SET GLOBAL read_only=ON")
	x = onDatabase(replica)
	x.mysql(t.Context())
	if got, text := worst(x.r); got != Fail || !strings.Contains(text, "was demoted") || !strings.Contains(text, "were not checked") || strings.Contains(text, "chatctl migrate") {
		t.Errorf("a replica in the primary's place: %s:\n%s", got, text)
	}
	there("CREATE USER few@'127.0.0.1' IDENTIFIED BY 'few-word-7'", "GRANT SELECT ON "+primary.Database+".* TO few@'127.0.0.1'")
	testkit.Eventually(t, patience, func() (bool, string) {
		few := replica
		few.User, few.Password = "few", "few-word-7"
		x := onDatabase(few)
		x.judgeReplica(x.lookAtReplica(t.Context(), replica.Addr()), original{})
		_, text := worst(x.r)
		return strings.Contains(text, "can't be seen") && strings.Contains(text, "GRANT REPLICATION CLIENT"), text
	})
}
