//go:build integration

package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/storetest"
)

// TestNobodyWaitsForAnotherRoom holds every row of one room and checks that the verbs of another go on: a statement
// that scanned its table instead of using its key would wait.
func TestNobodyWaitsForAnotherRoom(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			var o db.Options
			d := storetest.OpenOn(t, env, func(p *db.Options) { o = *p })
			u := makeUsers(t, d, 5)
			held, room, second := makeRoom(t, d, u[:4]...).Room.ID, makeRoom(t, d, u[:4]...).Room.ID, makeRoom(t, d, u[:4]...).Room.ID
			for i, r := range []chat.RoomID{held, room, second} {
				appendOne(t, d, send(r, u[0], fmt.Sprint("first", i), "x"))
			}
			openSession(t, d, u[4], "held", "t")
			openSession(t, d, u[0], "mine", "t2")
			cursor := send(held, u[0], "numbered", "x")
			cursor.ClientSeq = 1
			appendOne(t, d, cursor)

			c := storetest.Admin(t, env)
			c.DBName = o.DBName
			raw, err := sql.Open("mysql", c.FormatDSN())
			ok(t, err)
			defer raw.Close()
			tx, err := raw.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
			ok(t, err)
			defer tx.Rollback()
			for _, q := range []string{
				"UPDATE rooms SET change_seq = 1 WHERE id = ?", "UPDATE members SET notify = 1 WHERE room_id = ?", "UPDATE messages SET ord = ord + 1 WHERE room_id = ?",
				"UPDATE sender_cursors SET last_seq = 9 WHERE room_id = ?",
				"INSERT INTO outbox (partition_no, room_id, kind, payload, created_at) VALUES (1, ?, 'x', '{}', NOW(6))",
			} {
				_, err := tx.ExecContext(ctx, q, held)
				ok(t, err)
			}
			_, err = tx.ExecContext(ctx, "UPDATE users SET avatar_url = 'x' WHERE id = ?", u[4])
			ok(t, err)
			_, err = tx.ExecContext(ctx, "UPDATE sessions SET device = 'x' WHERE id = 'held'")
			ok(t, err)

			for name, verb := range map[string]func(ctx context.Context) error{
				"append": func(ctx context.Context) error {
					batch := []chat.Send{send(second, u[1], "a", "x"), send(room, u[0], "a", "x"), send(room, u[1], "a", "x"), send(second, u[0], "n", "x")}
					batch[3].ClientSeq = 1
					_, _, err := d.Messages.Append(ctx, batch, time.Now())
					return err
				},
				"append one": func(ctx context.Context) error {
					s := send(room, u[2], "b", "x")
					s.ClientSeq = 1
					_, _, err := d.Messages.Append(ctx, []chat.Send{s}, time.Now())
					return err
				},
				"mark read": func(ctx context.Context) error {
					_, err := d.Messages.MarkRead(ctx, []chat.ReadMark{{Room: room, User: u[3], Seq: 2}, {Room: second, User: u[3], Seq: 2}})
					return err
				},
				"post": func(ctx context.Context) error {
					_, err := d.Messages.Post(ctx, send(room, u[1], "c", "x"), time.Now())
					return err
				},
				"set role": func(ctx context.Context) error {
					_, err := d.Rooms.SetRole(ctx, room, u[0], u[1], chat.Admin)
					return err
				},
				"dissolve": func(ctx context.Context) error {
					m := makeRoom(t, d, u[0], u[1]).Room.ID
					return d.Rooms.Dissolve(ctx, m, u[0])
				},
				"kick": func(ctx context.Context) error {
					m := makeRoom(t, d, u[0], u[1]).Room.ID
					return d.Rooms.RemoveMember(ctx, m, u[0], u[1])
				},
				"outbox": func(ctx context.Context) error {
					ans, err := d.Outbox.Outbox(ctx, []int{room.Partition(16), second.Partition(16)}, 2)
					if err != nil {
						return err
					}
					if err := d.Outbox.Announced(ctx, []uint64{ans[0].ID, ans[1].ID, 999999}); err != nil {
						return err
					}
					all := make([]int, 16)
					for p := range all {
						all[p] = p
					}
					if ans, err = d.Outbox.Outbox(ctx, all, 100); err != nil {
						return err
					}
					ids := []uint64{1 << 40} // gone already
					for _, an := range ans {
						ids = append(ids, an.ID)
					}
					return d.Outbox.Announced(ctx, ids)
				},
				"saw users": func(ctx context.Context) error {
					return d.Accounts.SawUsers(ctx, map[chat.UserID]time.Time{u[0]: time.Now(), u[1]: time.Now()})
				},
				"password": func(ctx context.Context) error { return d.Accounts.SetPassword(ctx, u[0], "", "h", "") },
				"revoke":   func(ctx context.Context) error { return d.Accounts.RevokeSession(ctx, u[0], "mine") },
			} {
				ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
				if err := verb(ctx); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				cancel()
			}
		})
	}
}
