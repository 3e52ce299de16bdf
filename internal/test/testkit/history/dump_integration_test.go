//go:build integration

package history_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/history"
)

// TestLoadDump reads the product's own tables, so that a changed migration can't go unnoticed by the checker.
func TestLoadDump(t *testing.T) {
	db := testkit.FreshDatabase(t).DB
	script, err := os.ReadFile(filepath.Join(testkit.Root(t), "internal", "store", "schema", "migrations", "00001_init.sql"))
	if err != nil {
		t.Fatal(err)
	}
	up, _, _ := strings.Cut(string(script), "-- +goose Down")
	statements := append(strings.Split(up, ";\n"),
		`INSERT INTO rooms (id, type, visibility, last_seq, msg_count, epoch, active_at, created_at) VALUES (7, 'group', 'private', 2, 1, 3, NOW(), NOW())`,
		`INSERT INTO messages (room_id, seq, ord, kind, sender_id, client_msg_id, body_hash, content, created_at) VALUES
			(7, 1, 0, 'system', 0, NULL, '', '{}', NOW()), (7, 2, 1, 'text', 5, 'm1', '', 'grüße', NOW())`,
		`INSERT INTO members (room_id, user_id, role, visible_from, left_seq, read_seq, read_count, joined_at) VALUES
			(7, 5, 'owner', 1, 0, 2, 1, NOW()), (7, 6, 'member', 1, 1, 1, 0, NOW())`)
	for _, s := range statements {
		if strings.TrimSpace(s) == "" {
			continue
		}
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%v in %s", err, s)
		}
	}
	want := history.Dump{
		Rooms:    []history.DumpRoom{{7, 2, 1, 3, 0}},
		Messages: []history.DumpMessage{{7, 1, 0, "system", 0, "", "{}"}, {7, 2, 1, "text", 5, "m1", "grüße"}},
		Members:  []history.DumpMember{{7, 5, 1, 0, 2, 1}, {7, 6, 1, 1, 1, 0}},
	}
	got := history.LoadDump(t, db)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, v := range history.Check(nil, got) {
		t.Error(v)
	}
}
