//go:build integration

package store_test

import (
	"context"
	"database/sql"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/store/storetest"
)

func TestMigrateAtOnce(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			o := storetest.Fresh(t, env)
			d, err := store.Open(o)
			ok(t, err)
			defer d.Close()
			err = d.Operator.SchemaReady(ctx)
			if err == nil || !strings.Contains(err.Error(), "chatctl migrate") {
				t.Fatalf("empty database: %v", err)
			}
			if _, err := d.Accounts.User(ctx, 1); err == nil || !strings.Contains(err.Error(), "chatctl migrate") {
				t.Fatalf("empty database: %v", err)
			}
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if err := d.Operator.Migrate(ctx); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			ok(t, d.Operator.SchemaReady(ctx))
		})
	}
}

func TestMeta(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		var all sync.WaitGroup
		ids := make([]string, 8)
		for i := range ids {
			all.Go(func() {
				var err error
				if ids[i], err = d.Operator.InstallationID(ctx); err != nil {
					t.Error(err)
				}
				if err := d.Operator.Partitions(ctx, 16); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(slices.Compact(ids)) != 1 || ids[0] == "" {
			t.Fatal(ids)
		}
		err := d.Operator.Partitions(ctx, 8)
		wantKind(t, err, chat.Conflict)
		if !strings.Contains(err.Error(), "16") {
			t.Fatal(err)
		}
	})
}

func TestAwaitReady(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			o := storetest.Fresh(t, env)
			waits := make(chan struct{}, 1)
			o.Logger = slog.New(slog.NewTextHandler(firstLine(waits), nil))
			open := func(partitions int) *store.Store {
				t.Helper()
				p := o
				p.Partitions = partitions
				d, err := store.Open(p)
				ok(t, err)
				t.Cleanup(func() { ok(t, d.Close()) })
				return d
			}
			d, ready := open(16), make(chan error, 1)
			go func() { ready <- d.Operator.AwaitReady(ctx) }()
			<-waits
			ok(t, d.Operator.Migrate(ctx))
			ok(t, <-ready)
			wantKind(t, open(8).Operator.AwaitReady(ctx), chat.Conflict)
			o.Port = 1
			gone, cancel := context.WithCancel(ctx)
			cancel()
			wantKind(t, open(16).Operator.AwaitReady(gone), chat.Unavailable)
		})
	}
}

// firstLine reports the first line of a log.
type firstLine chan<- struct{}

func (c firstLine) Write(p []byte) (int, error) {
	select {
	case c <- struct{}{}:
	default:
	}
	return len(p), nil
}

func TestWorkers(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			var o db.Options
			d := storetest.OpenOn(t, env, func(p *db.Options) { o = *p })
			features := map[string][]string{"w1": {"a", "b"}}
			for _, b := range []string{"w2", "w1", "old", "w2"} {
				ok(t, d.Operator.Beat(ctx, chat.LiveWorker{Boot: b, Features: features[b]}))
			}
			c := storetest.Admin(t, env)
			c.DBName = o.DBName
			raw, err := sql.Open("mysql", c.FormatDSN())
			ok(t, err)
			defer raw.Close()
			live := func(want ...string) {
				t.Helper()
				ws, err := d.Operator.Workers(ctx, time.Minute)
				ok(t, err)
				if boots := chat.Boots(ws); !slices.Equal(boots, want) {
					t.Fatalf("live: %v, want %v", boots, want)
				}
				for _, w := range ws {
					if !slices.Equal(w.Features, features[w.Boot]) {
						t.Errorf("%s has %v, want %v", w.Boot, w.Features, features[w.Boot])
					}
				}
			}
			live("old", "w1", "w2")
			_, err = raw.ExecContext(ctx, "UPDATE workers SET beat_at = UTC_TIMESTAMP(6) - INTERVAL 2 HOUR WHERE boot = 'old'")
			ok(t, err)
			live("w1", "w2")
			ok(t, d.Operator.Retire(ctx, "w1"))
			live("w2")
			ok(t, d.Operator.Beat(ctx, chat.LiveWorker{Boot: "w3"}))
			var n int
			ok(t, raw.QueryRowContext(ctx, "SELECT COUNT(*) FROM workers").Scan(&n))
			if n != 2 {
				t.Fatalf("%d rows: dead workers were not deleted", n)
			}
		})
	}
}
