package bounds

import (
	"testing"
	"time"

	"chat-service/internal/chat"
)

func TestReactionsAreBoundedByRoom(t *testing.T) {
	y := newYard(t, chat.Limits{RoomReactionsPerSecond: 10, RoomReactionBurst: 3}, 0)
	for n := range 3 {
		if wait := y.React(7, true); wait != 0 {
			t.Errorf("reaction %d waits %v", n, wait)
		}
	}
	if wait := y.React(7, true); wait != 100*time.Millisecond {
		t.Errorf("the fourth waits %v", wait)
	}
	for n := range 4 {
		if wait := y.React(9, false); (wait > 0) != (n == 3) {
			t.Errorf("a stranger's %d waits %v", n, wait)
		}
	}
	if wait := y.React(9, true); wait != 0 {
		t.Errorf("a member's after those of strangers waits %v", wait)
	}
	if wait := y.React(8, true); wait != 0 {
		t.Errorf("another room's waits %v", wait)
	}
	y.at = y.at.Add(100 * time.Millisecond)
	if y.React(7, true) != 0 || y.React(7, true) == 0 {
		t.Error("one comes back in a tenth of a second")
	}
	off := newYard(t, chat.Limits{RoomReactionBurst: 1}, 0)
	for range 10 {
		if wait := off.React(7, true); wait != 0 {
			t.Fatalf("without a limit one waits %v", wait)
		}
	}
}
