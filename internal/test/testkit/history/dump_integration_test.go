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
	scripts, err := filepath.Glob(filepath.Join(testkit.Root(t), "internal", "store", "schema", "migrations", "*.sql"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	var statements []string
	for _, name := range scripts {
		script, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		up, _, _ := strings.Cut(string(script), "-- +goose Down")
		statements = append(statements, strings.Split(up, ";\n")...)
	}
	statements = append(statements,
		`INSERT INTO rooms (id, type, visibility, last_seq, msg_count, change_seq, epoch, active_at, created_at) VALUES (7, 'group', 'private', 2, 1, 3, 3, NOW(), NOW())`,
		`INSERT INTO messages (room_id, seq, ord, kind, sender_id, client_msg_id, body_hash, content, created_at) VALUES
			(7, 1, 0, 'system', 0, NULL, '', '{}', NOW()), (7, 2, 1, 'text', 5, 'm1', '', 'grüße', NOW())`,
		`INSERT INTO members (room_id, user_id, role, visible_from, left_seq, read_seq, read_count, joined_at) VALUES
			(7, 5, 'owner', 1, 0, 2, 1, NOW()), (7, 6, 'member', 1, 1, 1, 0, NOW())`,
		`INSERT INTO message_state (room_id, seq, change_seq, version, pinned_by, pinned_at) VALUES (7, 2, 3, 2, 5, NOW())`,
		`INSERT INTO room_changes (room_id, change_seq, noop, kind, seq, user_id, change_id, hash, version, payload, created_at, at_seq) VALUES
			(7, 1, '', 'edit', 2, 5, 'e', '', 2, NULL, NOW(), 2), (7, 2, '', 'reaction', 2, 5, 'r', '', 2, '{"key":"👍","on":true}', NOW(), 2),
			(7, 3, '', 'pin', 2, 5, 'p', '', 2, '{"on":true}', NOW(), 2), (7, 3, '5:again', 'pin', 2, 5, 'again', '', 2, '{"on":true}', NOW(), 2)`,
		`INSERT INTO reactions (room_id, user_id, seq, rkey, change_seq, at) VALUES (7, 5, 2, '👍', 2, NOW())`)
	for _, s := range statements {
		if strings.TrimSpace(s) == "" {
			continue
		}
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%v in %s", err, s)
		}
	}
	want := history.Dump{
		Rooms:    []history.DumpRoom{{7, 2, 1, 3, 3}},
		Messages: []history.DumpMessage{{7, 1, 0, "system", 0, "", "{}"}, {7, 2, 1, "text", 5, "m1", "grüße"}},
		Members:  []history.DumpMember{{7, 5, 1, 0, 2, 1}, {7, 6, 1, 1, 1, 0}},
		States:   []history.DumpState{{7, 2, 3, 2, false, true}},
		Logged: []history.DumpChange{
			{7, 1, "edit", 2, 5, 2, "", false}, {7, 2, "reaction", 2, 5, 2, "👍", true}, {7, 3, "pin", 2, 5, 2, "", true},
		},
		Asked:     []history.DumpAsked{{7, 5, "e", 2, 1, 2}, {7, 5, "r", 2, 2, 2}, {7, 5, "p", 2, 3, 2}, {7, 5, "again", 2, 3, 2}},
		Reactions: []history.DumpReaction{{7, 2, "👍", 5}},
	}
	got := history.LoadDump(t, db)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, v := range history.Check(nil, got) {
		t.Error(v)
	}
}
