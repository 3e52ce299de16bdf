// Package storetest gives integration tests a database of their own on a real server.
//
// It owns the making and dropping of that database; it refuses to skip: a test without a server fails and says so.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
)

// The variables that name the servers: DSNs of an admin user without a database.
const (
	MariaDB = "CHAT_TEST_MYSQL_DSN"
	MySQL   = "CHAT_TEST_MYSQL8_DSN"
)

// Open returns a store on a fresh, migrated database of the MariaDB server, dropped when the test ends.
func Open(t testing.TB) *store.Store { return OpenOn(t, MariaDB, nil) }

// OpenOn is Open on the server that the variable env names, with options adjusted by set (nil: none).
func OpenOn(t testing.TB, env string, set func(*db.Options)) *store.Store {
	t.Helper()
	o := Fresh(t, env)
	if set != nil {
		set(&o)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	if err := d.Operator.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	return d
}

// Fresh makes an empty database on the server that env names, and returns the options to reach it. It is dropped
// when the test ends.
func Fresh(t testing.TB, env string) db.Options {
	t.Helper()
	c := Admin(t, env)
	name := "t_" + strings.ToLower(rand.Text()[:12])
	Exec(t, env, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	t.Cleanup(func() { Exec(t, env, "DROP DATABASE "+name) })
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		t.Fatalf("%s: %v", env, err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatalf("%s: %v", env, err)
	}
	return db.Options{
		Host: host, Port: n, User: c.User, Password: c.Passwd, DBName: name, Limits: chat.DefaultLimits(),
	}
}

// Admin returns the driver's view of the server that env names, without a database.
func Admin(t testing.TB, env string) *mysql.Config {
	t.Helper()
	dsn := os.Getenv(env)
	if dsn == "" {
		t.Fatalf("%s is not set: run `make test`", env)
	}
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatalf("%s: %v", env, err)
	}
	return c
}

// Exec runs statements as the admin of the server that env names, one after the other; the test goes on if one fails.
func Exec(t testing.TB, env string, stmts ...string) {
	t.Helper()
	pool, err := sql.Open("mysql", Admin(t, env).FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	for _, stmt := range stmts {
		if _, err := pool.ExecContext(context.Background(), stmt); err != nil {
			t.Errorf("%s: %v", stmt, err)
		}
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
}
