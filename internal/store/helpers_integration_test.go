//go:build integration

package store_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"strings"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/store/storetest"
)

// servers are what every test runs on.
var servers = []string{storetest.MariaDB, storetest.MySQL}

func label(env string) string {
	if env == storetest.MariaDB {
		return "mariadb"
	}
	return "mysql"
}

// onBoth runs a test against a fresh database on either server.
func onBoth(t *testing.T, set func(*db.Options), test func(t *testing.T, d *store.Store)) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) { test(t, storetest.OpenOn(t, env, set)) })
	}
}

// openRaw opens a store and, past it, its database: for rows that no verb writes.
func openRaw(t testing.TB, env string) (*store.Store, *sql.DB) {
	t.Helper()
	var o db.Options
	d := storetest.OpenOn(t, env, func(p *db.Options) { o = *p })
	return d, rawOf(t, env, o.DBName)
}

// rawOf opens a database past the store.
func rawOf(t testing.TB, env, name string) *sql.DB {
	t.Helper()
	c := storetest.Admin(t, env)
	c.DBName = name
	raw, err := sql.Open("mysql", c.FormatDSN())
	ok(t, err)
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}

// onBothRaw is onBoth with openRaw.
func onBothRaw(t *testing.T, test func(t *testing.T, d *store.Store, raw *sql.DB)) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			d, raw := openRaw(t, env)
			test(t, d, raw)
		})
	}
}

func makeUser(t testing.TB, d *store.Store) chat.UserID {
	t.Helper()
	name := "u" + strings.ToLower(rand.Text()[:12])
	u, err := d.Accounts.CreateUser(context.Background(), chat.User{Username: name, Nickname: name, PasswordHash: rand.Text()})
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

func makeUsers(t testing.TB, d *store.Store, n int) []chat.UserID {
	t.Helper()
	ids := make([]chat.UserID, n)
	for i := range ids {
		ids[i] = makeUser(t, d)
	}
	return ids
}

// makeRoom makes a private group owned by the first of the users.
func makeRoom(t testing.TB, d *store.Store, users ...chat.UserID) chat.Membership {
	t.Helper()
	m, err := d.Rooms.CreateRoom(context.Background(), chat.NewRoom{Owner: users[0], Name: "room", Members: users})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wantKind fails unless err is of the kind.
func wantKind(t testing.TB, err error, want chat.Kind) {
	t.Helper()
	if err == nil || chat.KindOf(err) != want {
		t.Fatalf("error is %v (%s), want %s", err, chat.KindOf(err), want)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
