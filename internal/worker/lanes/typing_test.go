package lanes

import (
	"testing"
	"time"

	"chat-service/internal/chat"
)

func TestTypingIsRelayedOnceASecond(t *testing.T) {
	var ts typists
	now := time.Now()
	ann, bob := chat.Place{Room: 1, User: 1}, chat.Place{Room: 1, User: 2}
	elsewhere := chat.Place{Room: 2, User: 1}
	for _, c := range []struct {
		at    chat.Place
		after time.Duration
		due   bool
	}{
		{ann, 0, true},
		{ann, 0, false},
		{bob, 0, true},
		{elsewhere, 0, true},
		{ann, typingEvery - 1, false},
		{ann, typingEvery, true},
		{ann, 2*typingEvery - 1, false},
	} {
		if got := ts.due(c.at, now.Add(c.after)); got != c.due {
			t.Errorf("%+v after %v: %v", c.at, c.after, got)
		}
	}
	now = now.Add(time.Hour)
	for n := range typistsKept {
		ts.due(chat.Place{Room: 3, User: chat.UserID(n + 1)}, now)
	}
	if len(ts.last) > typistsKept {
		t.Errorf("%d are kept", len(ts.last))
	}
	if ts.due(ann, now) {
		t.Error("beyond the bound somebody is relayed")
	}
	if !ts.due(ann, now.Add(typingEvery)) || len(ts.last) != 1 {
		t.Errorf("what is over stays: %d", len(ts.last))
	}
}
