package rooms

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"chat-service/internal/chat"
)

func FuzzParseCursor(f *testing.F) {
	f.Add(cursorOf(ownRooms, time.UnixMicro(1_700_000_000_000_000), 7))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		at, id, ok, err := parseCursor(ownRooms, s)
		if err != nil {
			if ok || chat.KindOf(err) != chat.Invalid {
				t.Fatalf("%q: ok %v, %v", s, ok, err)
			}
			return
		}
		if ok != (s != "") {
			t.Fatalf("%q: ok %v", s, ok)
		}
		if !ok {
			return
		}
		again, same, ok, err := parseCursor(ownRooms, cursorOf(ownRooms, at, id))
		if err != nil || !ok || !again.Equal(at) || same != id {
			t.Fatalf("%q is %v %d, and again %v %d, %v", s, at, id, again, same, err)
		}
	})
}

func TestCursorRoundTrip(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	got, id, paged, err := parseCursor(ownRooms, cursorOf(ownRooms, when, 42))
	if err != nil || !paged || id != 42 || !got.Equal(when) {
		t.Fatal(got, id, paged, err)
	}
	for _, bad := range []string{"x", "!!!!", cursorOf(ownRooms, when, 1)[:3], "LTEuMQ"} {
		if _, _, _, err := parseCursor(ownRooms, bad); chat.KindOf(err) != chat.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestCursorTampering: a cursor with any letter changed or added, a part of one, or one of another list, is refused; those of release
// 0.1, which have no sum, are not.
func TestCursorTampering(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	good := cursorOf(ownRooms, when, 42)
	plain := base64.RawURLEncoding.EncodeToString([]byte(position(when, 42)))
	refused := func(what, s string) {
		if _, _, _, err := parseCursor(ownRooms, s); !errors.Is(err, chat.ErrCursor) {
			t.Errorf("%s: %q is taken: %v", what, s, err)
		}
	}
	for i := range good {
		for _, c := range "AZaz09-_.= \n" {
			if changed := good[:i] + string(c) + good[i+1:]; changed != good {
				refused("changed", changed)
			}
			refused("added", good[:i]+string(c)+good[i:])
		}
		if i > 0 {
			refused("cut", good[:i])
		}
		refused("cut out", good[:i]+good[i+1:])
	}
	for _, c := range "Az0.=\n" {
		refused("added", good+string(c))
	}
	refused("another list's", cursorOf(publicRooms, when, 42))
	if _, id, ok, err := parseCursor(ownRooms, plain); err != nil || !ok || id != 42 {
		t.Errorf("one of release 0.1: %d %v %v", id, ok, err)
	}
}
