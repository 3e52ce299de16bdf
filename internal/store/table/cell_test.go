package table_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/store/table"
)

// TestFields scans what the driver can hand over: numbers of both signs' columns, bytes, times and NULL, which must wipe
// what the row before left behind.
func TestFields(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	var m chat.Message
	into := table.Message(&m)
	for _, row := range []struct {
		values []any
		want   chat.Message
	}{
		{
			[]any{uint64(1 << 63), int64(2), []byte("3"), []byte("text"), uint64(4), []byte("c"), "hello", when},
			chat.Message{Room: 1 << 63, Seq: 2, Ord: 3, Kind: chat.Text, Sender: 4, ClientMsgID: "c", Content: "hello", CreatedAt: when},
		},
		{[]any{nil, nil, nil, nil, nil, nil, nil, nil}, chat.Message{}},
	} {
		for i, v := range row.values {
			if err := into[i].(sql.Scanner).Scan(v); err != nil {
				t.Fatalf("column %d: %v", i, err)
			}
		}
		if diff := cmp.Diff(row.want, m); diff != "" {
			t.Fatal(diff)
		}
	}
	for i := range into {
		if err := into[i].(sql.Scanner).Scan(1.5); err == nil {
			t.Errorf("column %d takes a float", i)
		}
	}
	if err := into[0].(sql.Scanner).Scan([]byte("x")); err == nil {
		t.Error("a word passes for a number")
	}
}
