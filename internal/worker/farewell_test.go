package worker

import (
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// TestSocketThatEndsWithoutRedisIsForgottenLater: its entry would show the user online as long as the gateway lives.
func TestSocketThatEndsWithoutRedisIsForgottenLater(t *testing.T) {
	w := newWorld()
	w.sockets = []chat.Socket{{User: 5, Session: "s", Gateway: "g1.a", Socket: 1}, {User: 5, Session: "s", Gateway: "g1.a", Socket: 2}}
	w.redisAway = true
	k := w.start(t)
	<-give(k, false, envelope.Command{Kind: envelope.Disconnect, Gateway: "g1.a", Socket: 1, User: 5, Session: "s"})
	left := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.sockets)
	}
	if left() != 2 || len(k.farewells.Some(10)) != 1 {
		t.Fatalf("%d sockets, %d owed; want 2 and 1", left(), len(k.farewells.Some(10)))
	}
	w.mu.Lock()
	w.redisAway = false
	w.mu.Unlock()
	eventually(t, "the ended socket is forgotten", func() bool { return left() == 1 && len(k.farewells.Some(10)) == 0 })
}
