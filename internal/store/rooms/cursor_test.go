package rooms

import (
	"testing"
	"time"

	"chat-service/internal/chat"
)

func FuzzParseCursor(f *testing.F) {
	f.Add(cursorOf(time.UnixMicro(1_700_000_000_000_000), 7))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		at, id, ok, err := parseCursor(s)
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
		again, same, ok, err := parseCursor(cursorOf(at, id))
		if err != nil || !ok || !again.Equal(at) || same != id {
			t.Fatalf("%q is %v %d, and again %v %d, %v", s, at, id, again, same, err)
		}
	})
}

func TestCursorRoundTrip(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	got, id, paged, err := parseCursor(cursorOf(when, 42))
	if err != nil || !paged || id != 42 || !got.Equal(when) {
		t.Fatal(got, id, paged, err)
	}
	for _, bad := range []string{"x", "!!!!", cursorOf(when, 1)[:3], "LTEuMQ"} {
		if _, _, _, err := parseCursor(bad); chat.KindOf(err) != chat.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
