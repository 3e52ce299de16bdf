package lanes

import (
	"context"
	"sync"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

const (
	typingEvery = time.Second // of one member in one room: clients show it for six
	typistsKept = 50_000      // who typed less than typingEvery ago; more aren't relayed
)

// Typing relays that a member types, to the room's sessions, once a second at most: each costs as much as a message to them. It is never
// stored.
func (l *Lanes) Typing(ctx context.Context, cmd *envelope.Command, _ *deliver.Parcels) error {
	in, err := l.members.in(ctx, cmd.Room, cmd.User)
	if err != nil {
		return err
	}
	if !in {
		return chat.E(chat.NotFound, "no such room")
	}
	if !l.typists.due(chat.Place{Room: cmd.Room, User: cmd.User}, l.o.Now()) {
		return nil
	}
	l.o.Line.Aside(&envelope.Delivery{
		Kind: envelope.Aside, Room: cmd.Room, User: cmd.User, Frame: protocol.AppendTyping(nil, cmd.Room, cmd.User),
	})
	return nil
}

// typists are those whose typing was relayed just now.
type typists struct {
	mu   sync.Mutex
	last map[chat.Place]time.Time
}

// due reports whether a member's typing may be relayed, and notes that it is.
func (t *typists) due(at chat.Place, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.last[at]; ok && now.Sub(last) < typingEvery {
		return false
	}
	if len(t.last) >= typistsKept {
		for k, last := range t.last {
			if now.Sub(last) >= typingEvery {
				delete(t.last, k)
			}
		}
		if len(t.last) >= typistsKept {
			return false
		}
	}
	if t.last == nil {
		t.last = map[chat.Place]time.Time{}
	}
	t.last[at] = now
	return true
}
