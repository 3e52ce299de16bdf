//go:build chaos

package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"chat-service/internal/ops/stack"
)

// database is one of two MySQL servers, the other one's source or semi-synchronous replica.
type database struct {
	host, addr string
	dir        *stack.Dir
	st         *stack.Stack
}

const rootPassword = "only inside of the laboratory"

// replicating are a server's arguments. It starts read-only, whatever it was before: who is the primary is decided elsewhere.
func replicating(id int) []string {
	return []string{
		"--server-id=" + strconv.Itoa(id), "--bind-address=*", "--log-bin=binlog", "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--super-read-only=ON",
		"--plugin-load-add=semisync_source.so;semisync_replica.so;mysql_clone.so", "--loose-rpl-semi-sync-replica-enabled=1",
		"--loose-rpl-semi-sync-source-timeout=3600000", "--sync-binlog=1", "--replica-net-timeout=4", "--skip-name-resolve", "--clone-autotune-concurrency=OFF",
	}
}

// do runs statements at the server itself.
func (d *database) do(ctx context.Context, statements ...string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return d.with(func(db *sql.DB) error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		for _, q := range statements {
			if _, err := conn.ExecContext(ctx, q); err != nil {
				return fmt.Errorf("%s at %s: %w", q, d.host, err)
			}
		}
		return nil
	})
}

func (d *database) with(f func(*sql.DB) error) error {
	db, err := sql.Open("mysql", fmt.Sprintf("root:%s@tcp(%s:3306)/?timeout=2s", rootPassword, d.addr))
	if err != nil {
		return err
	}
	return errors.Join(f(db), db.Close())
}

// status is a variable of the server's status.
func (d *database) status(ctx context.Context, name string) (value string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	err = d.with(func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&name, &value)
	})
	return value, err
}

// replicate makes the first server the primary and the second its replica.
func (s *site) replicate(t *testing.T) {
	t.Helper()
	ctx, first := t.Context(), s.dbs[0]
	if err := errors.Join(
		first.do(ctx, "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF", "CREATE USER 'repl'@'%' IDENTIFIED WITH caching_sha2_password BY 'repl'",
			"GRANT REPLICATION SLAVE, BACKUP_ADMIN ON *.* TO 'repl'@'%'"),
		s.follow(ctx, s.dbs[1], first), s.lab.Move(ctx, s.vip, first.host),
	); err != nil {
		t.Fatal(err)
	}
	s.primary = first
}

// follow makes a server a replica, and the other one wait for it before it acknowledges.
func (s *site) follow(ctx context.Context, replica, source *database) error {
	if err := replica.do(ctx, "SET GLOBAL super_read_only = ON", fmt.Sprintf(`CHANGE REPLICATION SOURCE TO SOURCE_HOST = '%s', SOURCE_PORT = 3306,
		SOURCE_USER = 'repl', SOURCE_PASSWORD = 'repl', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 100000`, source.addr),
		"START REPLICA"); err != nil {
		return err
	}
	if err := s.until(ctx, "semi-synchronous replica", func() (bool, error) {
		n, err := source.status(ctx, "Rpl_semi_sync_source_clients")
		if err != nil || n == "0" {
			return false, err
		}
		return true, source.do(ctx, "SET GLOBAL rpl_semi_sync_source_enabled = ON")
	}); err != nil {
		return err
	}
	// What was acknowledged before waited for nobody: until the replica has it, the source must not be lost.
	var alone string
	if err := source.with(func(db *sql.DB) error { return db.QueryRowContext(ctx, "SELECT @@GLOBAL.gtid_executed").Scan(&alone) }); err != nil {
		return err
	}
	return s.until(ctx, "replica with all that its source has", func() (has bool, err error) {
		err = replica.with(func(db *sql.DB) error {
			return db.QueryRowContext(ctx, `SELECT GTID_SUBSET(?, CONCAT(@@GLOBAL.gtid_executed, ',', RECEIVED_TRANSACTION_SET))
				FROM performance_schema.replication_connection_status`, strings.ReplaceAll(alone, "\n", "")).Scan(&has)
		})
		return has, err
	})
}

// until waits for something that an operator would wait for.
func (s *site) until(ctx context.Context, what string, ok func() (bool, error)) error {
	for end := time.Now().Add(patience); ; pause(ctx, 100*time.Millisecond) {
		done, err := ok()
		if done || ctx.Err() != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("no %s within %v: %w", what, patience, err)
		}
	}
}

// replicaOf is the server that isn't the primary.
func (s *site) replica() *database {
	if s.primary == s.dbs[0] {
		return s.dbs[1]
	}
	return s.dbs[0]
}

// promote makes the replica the primary, as soon as it has applied everything that it was sent, and moves the address there. It returns
// when the new primary takes writes at the address.
func (s *site) promote(ctx context.Context) (at time.Time, err error) {
	next := s.replica()
	if err := next.do(ctx, "STOP REPLICA IO_THREAD"); err != nil {
		return at, err
	}
	err = s.until(ctx, "end of the relay log", func() (bool, error) {
		var sent, have string
		err := next.with(func(db *sql.DB) error {
			return errors.Join(
				db.QueryRowContext(ctx, "SELECT RECEIVED_TRANSACTION_SET FROM performance_schema.replication_connection_status").Scan(&sent),
				db.QueryRowContext(ctx, "SELECT @@GLOBAL.gtid_executed").Scan(&have))
		})
		if err != nil {
			return false, err
		}
		var subset bool
		err = next.with(func(db *sql.DB) error {
			return db.QueryRowContext(ctx, "SELECT GTID_SUBSET(?, ?)", strings.ReplaceAll(sent, "\n", ""), strings.ReplaceAll(have, "\n", "")).Scan(&subset)
		})
		return subset, err
	})
	if err != nil {
		return at, err
	}
	if err := next.do(ctx, "STOP REPLICA", "RESET REPLICA ALL", "SET GLOBAL rpl_semi_sync_source_enabled = OFF", "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF"); err != nil {
		return at, err
	}
	if err := s.lab.Move(ctx, s.vip, next.host); err != nil {
		return at, err
	}
	s.mu.Lock()
	s.primary = next
	s.mu.Unlock()
	return time.Now(), nil
}

// rejoin makes the server that isn't the primary a replica of it, with the primary's data: what it may have of its own, nobody was told of.
func (s *site) rejoin(ctx context.Context) error {
	old, source := s.replica(), s.primary
	if err := s.until(ctx, "server that rejoins", func() (bool, error) {
		_, err := old.status(ctx, "Uptime")
		return err == nil, err
	}); err != nil {
		return err
	}
	before := pidIn(old.dir, stack.MySQL8)
	err := old.do(ctx, "STOP REPLICA", "RESET REPLICA ALL", "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF", "SET GLOBAL clone_valid_donor_list = '"+source.addr+":3306'",
		fmt.Sprintf("CLONE INSTANCE FROM 'repl'@'%s':3306 IDENTIFIED BY 'repl'", source.addr))
	// It restarts with the copy; without a manager of its own it only ends, and is started again here.
	if err != nil && !strings.Contains(err.Error(), "3707") && !strings.Contains(err.Error(), "invalid connection") && !strings.Contains(err.Error(), "bad connection") {
		return err
	}
	if err := s.until(ctx, "server with the copy", func() (bool, error) {
		_, err := old.status(ctx, "Uptime")
		pid := pidIn(old.dir, stack.MySQL8)
		return err == nil && pid != 0 && pid != before, err
	}); err != nil {
		return err
	}
	return s.follow(ctx, old, source)
}
