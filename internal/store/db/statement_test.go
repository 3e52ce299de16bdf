package db_test

import (
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// TestLonePlaceIsWrittenTwice keeps the commit from reading all members of the installation: EXPLAIN UPDATE on MariaDB
// 10.11 shows a scan of the whole index for ((x,y)), and a range of one row for ((x,y),(x,y)).
func TestLonePlaceIsWrittenTwice(t *testing.T) {
	for n, want := range map[int]string{
		1: "(room_id, user_id) IN ((?,?),(?,?))",
		2: "(room_id, user_id) IN ((?,?),(?,?))",
		3: "(room_id, user_id) IN ((?,?),(?,?),(?,?))",
	} {
		var s db.Statement
		s.Places("room_id, user_id", make([]chat.Place, n))
		if got := s.String(); got != want {
			t.Errorf("%d places: got %s, want %s", n, got, want)
		}
	}
}

// TestCase: each room's rows are looked for among that room's alone.
func TestCase(t *testing.T) {
	at := []chat.Place{{Room: 1, User: 5}, {Room: 1, User: 6}, {Room: 2, User: 5}}
	for n, want := range map[int]string{
		1: "CASE room_id WHEN ? THEN CASE user_id WHEN ? THEN ? END END",
		2: "CASE room_id WHEN ? THEN CASE user_id WHEN ? THEN ? WHEN ? THEN ? END END",
		3: "CASE room_id WHEN ? THEN CASE user_id WHEN ? THEN ? WHEN ? THEN ? END WHEN ? THEN CASE user_id WHEN ? THEN ? END END",
	} {
		var s db.Statement
		db.Case(&s, "user_id", at[:n], func(p chat.Place) (chat.RoomID, any, any) { return p.Room, p.User, 0 })
		if got := s.String(); got != want {
			t.Errorf("%d places: got %s, want %s", n, got, want)
		}
	}
}
