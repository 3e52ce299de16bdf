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
