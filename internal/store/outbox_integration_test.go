//go:build integration

package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/store/storetest"
)

func TestOutboxByPartition(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 1)
		parts := map[int]int{}
		for range 12 {
			parts[makeRoom(t, d, u...).Room.ID.Partition(16)]++
		}
		for p := range 16 {
			ans, err := d.Outbox.Outbox(ctx, []int{p}, 100)
			ok(t, err)
			waiting, err := d.Outbox.OutboxWaiting(ctx, []int{p})
			ok(t, err)
			if len(ans) != parts[p] || (len(waiting) == 1) != (parts[p] > 0) {
				t.Errorf("partition %d: %d rows, waiting %v, want %d", p, len(ans), waiting, parts[p])
			}
		}
		if ans, err := d.Outbox.Outbox(ctx, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, 5); err != nil || len(ans) != 5 || ans[0].Message.Room != 1 {
			t.Fatal(ans, err)
		}
		if ans, err := d.Outbox.Outbox(ctx, nil, 5); err != nil || len(ans) != 0 {
			t.Fatal(ans, err)
		}
		ok(t, d.Operator.Quarantine(ctx, chat.DeadCommand{Partition: 3, Kind: "send", User: 1, Room: 2, Reason: "poison"}))
		ok(t, d.Operator.Quarantine(ctx, chat.DeadCommand{Kind: "send", Payload: []byte{0, 255, '\''}, Reason: "poison"}))
		tot, err := d.Operator.Totals(ctx)
		ok(t, err)
		if tot.DeadCommands != 2 || tot.Outbox != 12 {
			t.Fatalf("%+v", tot)
		}
	})
}

func TestUnreadableOutboxRowIsSetAside(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			d, raw := openRaw(t, env)
			_, err := raw.ExecContext(ctx, "INSERT INTO outbox (partition_no, kind, payload, created_at) VALUES (0, 'message', 'no JSON', NOW(6))")
			ok(t, err)
			if ans, err := d.Outbox.Outbox(ctx, []int{0}, 10); err != nil || len(ans) != 0 {
				t.Fatal(ans, err)
			}
			tot, err := d.Operator.Totals(ctx)
			ok(t, err)
			if tot.DeadCommands != 1 || tot.Outbox != 0 {
				t.Fatalf("%+v", tot)
			}
		})
	}
}

// addUnknown adds n rows of a kind of a later release.
func addUnknown(t *testing.T, raw *sql.DB, partition, n int) {
	t.Helper()
	for n > 0 {
		some := min(n, 1000)
		rows := strings.Repeat(fmt.Sprintf(",(%d, 'of_tomorrow', '{}', UTC_TIMESTAMP(6))", partition), some)[1:]
		_, err := raw.ExecContext(ctx, "INSERT INTO outbox (partition_no, kind, payload, created_at) VALUES "+rows)
		ok(t, err)
		n -= some
	}
}

// TestUnknownAnnouncementsStay: rows of kinds that this process doesn't know neither block the others nor are deleted
// or set aside, however many there are; they are counted. A row of a known kind that can't be decoded is set aside all
// the same.
func TestUnknownAnnouncementsStay(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			d, raw := openRaw(t, env)
			u := makeUsers(t, d, 2)
			room := makeRoom(t, d, u...).Room.ID
			p := room.Partition(16)
			other := (p + 1) % 16
			drain(t, d)

			addUnknown(t, raw, p, 10_000) // before
			post(t, d, room, u[0], "first")
			addUnknown(t, raw, p, 10) // between
			_, err := raw.ExecContext(ctx, "INSERT INTO outbox (partition_no, kind, payload, created_at) VALUES (?, 'message', '{broken', UTC_TIMESTAMP(6))", p)
			ok(t, err)
			post(t, d, room, u[0], "second")
			addUnknown(t, raw, other, 1)

			began := time.Now()
			ans, err := d.Outbox.Outbox(ctx, []int{p, other}, 3)
			took := time.Since(began)
			ok(t, err)
			if len(ans) != 2 || ans[0].Message.Content != "first" || ans[1].Message.Content != "second" {
				t.Fatalf("read %d announcements: %+v", len(ans), ans)
			}
			t.Logf("read past 10,010 unknown rows in %v", took)
			if waiting, err := d.Outbox.OutboxWaiting(ctx, []int{p, other}); err != nil || len(waiting) != 1 || waiting[0] != p {
				t.Errorf("waiting: %v, %v", waiting, err)
			}
			count := func(want int, partitions ...int) {
				t.Helper()
				if n, err := d.Outbox.OutboxUnknown(ctx, partitions); err != nil || n != want {
					t.Errorf("%d unknown rows in %v (%v), want %d", n, partitions, err, want)
				}
			}
			count(10_010, p)
			count(10_011, p, other)
			count(0, (p+2)%16)
			count(0)
			if totals, err := d.Operator.Totals(ctx); err != nil || totals.DeadCommands != 1 {
				t.Errorf("%d rows set aside (%v), want the broken one", totals.DeadCommands, err)
			}

			ok(t, d.Outbox.Announced(ctx, []uint64{ans[0].ID, ans[1].ID}))
			if ans, err := d.Outbox.Outbox(ctx, []int{p, other}, 3); err != nil || len(ans) != 0 {
				t.Errorf("after the announcement: %+v, %v", ans, err)
			}
			if waiting, err := d.Outbox.OutboxWaiting(ctx, []int{p, other}); err != nil || len(waiting) != 0 {
				t.Errorf("unknown rows are waited for: %v, %v", waiting, err)
			}
			count(10_010, p)
		})
	}
}

func post(t *testing.T, d *store.Store, room chat.RoomID, user chat.UserID, content string) {
	t.Helper()
	sent, err := d.Messages.Post(ctx, send(room, user, content, content), time.Now())
	if err != nil || sent.Err != nil {
		t.Fatal(err, sent.Err)
	}
}

// BenchmarkOutbox reads 64 announcements of one of sixteen partitions, alone and behind a backlog of unknown ones.
func BenchmarkOutbox(b *testing.B) {
	for _, env := range servers {
		for _, unknown := range []int{0, 10_000} {
			b.Run(fmt.Sprintf("%s/unknown=%d", label(env), unknown), func(b *testing.B) {
				var o db.Options
				d := storetest.OpenOn(b, env, func(p *db.Options) { o = *p })
				c := storetest.Admin(b, env)
				c.DBName = o.DBName
				raw, err := sql.Open("mysql", c.FormatDSN())
				ok(b, err)
				defer raw.Close()
				rows := strings.Repeat(",(1, 'of_tomorrow', '{}', UTC_TIMESTAMP(6))", max(unknown, 1))[1:]
				if unknown > 0 {
					_, err := raw.ExecContext(ctx, "INSERT INTO outbox (partition_no, kind, payload, created_at) VALUES "+rows)
					ok(b, err)
				}
				users := makeUsers(b, d, 64)
				for _, u := range users {
					ok(b, d.Accounts.RevokeSessions(context.Background(), u, ""))
				}
				all := make([]int, 16)
				for i := range all {
					all[i] = i
				}
				for b.Loop() {
					if ans, err := d.Outbox.Outbox(ctx, all, 64); err != nil || len(ans) != 64 {
						b.Fatal(len(ans), err)
					}
				}
			})
		}
	}
}
