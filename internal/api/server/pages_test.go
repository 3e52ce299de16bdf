package server

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"chat-service/internal/chat"
)

// TestIDCursors: what a list by id returned is read again; anything changed, cut, added or of another list isn't; those of release 0.1,
// which have no sum, still are.
func TestIDCursors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Uint64Range(1, chat.MaxID).Draw(t, "id")
		good := WriteIDCursor(ListUsers, id)
		if n, err := IDCursor(ListUsers, good); err != nil || n != id {
			t.Fatalf("%q is %d, %v, want %d", good, n, err, id)
		}
		refused := func(what, cursor string) {
			if n, err := IDCursor(ListUsers, cursor); cursor != good && !errors.Is(err, chat.ErrCursor) {
				t.Fatalf("%s: %q is taken, as %d: %v", what, cursor, n, err)
			}
		}
		at := rapid.IntRange(0, len(good)-1).Draw(t, "at")
		letter := rapid.StringMatching(`[0-9a-hj-z.A-Z =+-]`).Draw(t, "letter") // an i in front would make one of release 0.1
		refused("changed", good[:at]+letter+good[at+1:])
		refused("added", good[:at]+letter+good[at:])
		refused("added", good+letter)
		refused("cut out", good[:at]+good[at+1:])
		if at > 0 {
			refused("cut", good[:at])
		}
		refused("another list's", WriteIDCursor(ListMembers, id))
	})
	for cursor, want := range map[string]uint64{"i1": 1, "izz": 1295, "": 0} {
		if n, err := IDCursor(ListMembers, cursor); err != nil || n != want {
			t.Errorf("%q is %d, %v, want %d", cursor, n, err, want)
		}
	}
	for _, bad := range []string{"i", "i0", "i01", "I1", "1", "c1", "c1.", "i+1", "i1.", "i2gosa7pa2gw0000"} {
		if n, err := IDCursor(ListUsers, bad); !errors.Is(err, chat.ErrCursor) {
			t.Errorf("%q is taken, as %d: %v", bad, n, err)
		}
	}
}
