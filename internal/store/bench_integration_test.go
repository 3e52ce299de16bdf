//go:build integration

package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/storetest"
)

// BenchmarkAppend commits batches of 1 … 256 messages of eight rooms with ten members each; rows/s is what counts.
func BenchmarkAppend(b *testing.B) {
	for _, env := range servers {
		for _, writers := range []int{1, 4} {
			for _, n := range []int{1, 16, 64, 256} {
				b.Run(fmt.Sprintf("%s/writers=%d/rows=%d", label(env), writers, n), func(b *testing.B) {
					d := storetest.OpenOn(b, env, nil)
					benchAppend(b, d, writers, n)
				})
			}
		}
	}
}

func benchAppend(b *testing.B, d *store.Store, writers, n int) {
	ctx := context.Background()
	users := makeUsers(b, d, 10)
	body := strings.Repeat("x", 100)
	sessions := make([]chat.SessionID, len(users))
	for i, u := range users {
		sessions[i] = chat.SessionID(fmt.Sprintf("%032x", i))
		if err := d.Accounts.OpenSession(ctx, chat.NewSession{
			Session:     chat.Session{ID: sessions[i], User: u, ExpiresAt: time.Now().Add(time.Hour)},
			RefreshHash: [32]byte{byte(i + 1)}, Until: time.Now().Add(time.Hour),
		}); err != nil {
			b.Fatal(err)
		}
	}
	var serial, left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	rooms := make([]chat.RoomID, 8*writers)
	for i := range rooms {
		rooms[i] = makeRoom(b, d, users...).Room.ID
	}
	b.ResetTimer()
	began := time.Now()
	for w := range writers {
		all.Go(func() {
			mine := rooms[8*w:][:8]
			batch := make([]chat.Send, n)
			for left.Add(-1) >= 0 {
				for i := range batch {
					id := serial.Add(1)
					batch[i] = chat.Send{
						Room: mine[i%8], Sender: users[int(id)%10], Session: sessions[int(id)%10], ClientMsgID: fmt.Sprintf("m-%d", id), Content: body,
					}
				}
				sent, _, err := d.Messages.Append(ctx, batch, time.Now())
				if err != nil || sent[0].Err != nil {
					b.Error(err, sent)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N*n)/time.Since(began).Seconds(), "rows/s")
}

// BenchmarkPublicRooms searches among 100,000 public rooms: without a hit, for one, and for what many have; by the names alone, and by
// their index.
func BenchmarkPublicRooms(b *testing.B) {
	const many = 100_000
	for _, env := range servers {
		d, raw := openRaw(b, env)
		owner := makeUser(b, d)
		run := func(q string, args ...any) {
			if _, err := raw.ExecContext(b.Context(), q, args...); err != nil {
				b.Fatal(err)
			}
		}
		for from := 0; from < many; from += 1000 {
			var rows strings.Builder
			for i := range 1000 {
				if i > 0 {
					rows.WriteByte(',')
				}
				name := fmt.Sprintf("room number %06d of all", from+i)
				fmt.Fprintf(&rows, "('group','%s','%s','public',%d,UTC_TIMESTAMP(6),UTC_TIMESTAMP(6))", name, name, owner)
			}
			run("INSERT INTO rooms (type,name,name_key,visibility,owner_id,active_at,created_at) VALUES " + rows.String())
		}
		for _, index := range []bool{false, true} {
			if index {
				for at := 1; at <= 25; at++ {
					run("INSERT IGNORE INTO room_parts (part, room_id) SELECT SUBSTRING(name_key, ?, 12), id FROM rooms", at)
				}
				run("INSERT INTO room_names (room_id, name_key) SELECT id, name_key FROM rooms")
				run("INSERT INTO meta (k, v) VALUES ('room_names_walked', CONCAT(UNIX_TIMESTAMP(), ' 0'))")
			}
			for _, q := range []string{"nowhere", "number 000007", "room"} {
				b.Run(fmt.Sprintf("%s/index=%v/%s", label(env), index, q), func(b *testing.B) {
					for b.Loop() {
						if _, _, err := d.Rooms.PublicRooms(b.Context(), q, "", 20); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
