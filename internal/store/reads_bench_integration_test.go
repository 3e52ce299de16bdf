//go:build integration

package store_test

import (
	"fmt"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/store/storetest"
)

// BenchmarkHistory reads pages of 50 messages of which none, every tenth and each has changed.
func BenchmarkHistory(b *testing.B) {
	for _, env := range servers {
		for _, every := range []int{0, 10, 1} {
			h := newHall(b, env, 1000)
			for n := 0; every > 0 && n < 1000; n += 100 {
				for i := 0; i < 100; i += every {
					h.change(chat.Seq(2+n+i), 1, chat.Change{Kind: chat.ChangeEdit})
				}
			}
			b.Run(fmt.Sprintf("%s/changed=%d", label(env), every), func(b *testing.B) {
				measured(b, func() {
					p, err := h.d.Messages.History(b.Context(), chat.HistoryQuery{Room: h.room, User: h.user, PageSize: 50})
					if err != nil || len(p.Messages) != 50 {
						b.Fatal(err, len(p.Messages))
					}
				})
			})
		}
	}
}

// BenchmarkRoomList reads a list of 200 rooms, in none, every tenth and each of which the newest message has changed.
func BenchmarkRoomList(b *testing.B) {
	for _, env := range servers {
		for _, every := range []int{0, 10, 1} {
			d := storetest.OpenOn(b, env, nil)
			h := &hall{b: b, d: d, user: makeUser(b, d)}
			for i := range 200 {
				h.room = makeRoom(b, d, h.user).Room.ID
				h.send(1)
				if every > 0 && i%every == 0 {
					h.change(2, 1, chat.Change{Kind: chat.ChangeEdit})
				}
			}
			b.Run(fmt.Sprintf("%s/changed=%d", label(env), every), func(b *testing.B) {
				measured(b, func() {
					ms, _, err := d.Rooms.RoomList(b.Context(), h.user, "", 200)
					if err != nil || len(ms) != 200 {
						b.Fatal(err, len(ms))
					}
				})
			})
		}
	}
}
