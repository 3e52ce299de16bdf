//go:build integration

package store_test

import (
	"fmt"
	"strings"
	"testing"

	"chat-service/internal/chat"
)

// Few memberships come by one statement, many by a statement that has MySQL order each user's: the answers are alike.
func TestMembershipsOfMany(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			d, raw := openRaw(t, env)
			rooms := 0
			grow := func(to int) {
				var rs, ms []string
				for rooms < to {
					rooms++ // a newer room is active later; user 2 has left every third
					rs = append(rs, fmt.Sprintf("(%d,'group','private',3,'2026-01-01' + INTERVAL %d SECOND,NOW(6))", rooms, rooms))
					ms = append(ms, fmt.Sprintf("(%d,1,'member',1,0,0,0,NOW(6)),(%d,2,'member',1,%d,0,0,NOW(6))", rooms, rooms, (rooms%3+1)/3))
				}
				_, err := raw.ExecContext(ctx, "INSERT INTO rooms (id,type,visibility,msg_count,active_at,created_at) VALUES "+strings.Join(rs, ","))
				ok(t, err)
				_, err = raw.ExecContext(ctx, "INSERT INTO members (room_id,user_id,role,visible_from,left_seq,read_seq,read_count,joined_at) VALUES "+strings.Join(ms, ","))
				ok(t, err)
			}
			for _, n := range []int{9, 12_000} {
				grow(n)
				of, err := d.Rooms.MembershipsOf(ctx, []chat.UserID{1, 2, 3}, 8)
				ok(t, err)
				if len(of[1]) != 8 || len(of[2]) != min(8, n-n/3) || len(of[3]) != 0 {
					t.Fatalf("of %d rooms: %d, %d, %d", n, len(of[1]), len(of[2]), len(of[3]))
				}
				for i, m := range of[1] {
					if m.Room.ID != chat.RoomID(n-i) || m.Member.Room != m.Room.ID || m.Member.User != 1 || m.Unread() != 3 {
						t.Fatalf("of %d rooms, place %d: %+v", n, i, m)
					}
				}
				if of[2][0].Room.ID != chat.RoomID(n) || of[2][1].Room.ID != chat.RoomID(n-2) {
					t.Fatalf("of %d rooms: %+v", n, of[2][:2])
				}
			}
		})
	}
}
