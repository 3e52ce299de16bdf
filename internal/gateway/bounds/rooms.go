package bounds

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"chat-service/internal/chat"
)

// rooms counts what the members of a room ask for together.
type rooms struct {
	mu        sync.Mutex
	reactions *simplelru.LRU[chat.RoomID, time.Time] // up to when the allowance is used
}

// reactionsTogether is how often a room's allowance grows. A crowd takes what there is at once, so that its reactions travel together and
// are one transaction, and not one each few milliseconds.
const reactionsTogether = 100 * time.Millisecond

// React takes a reaction from its room's allowance. If there is none left it returns how long until there is: a crowd's reactions to one
// message, which change little for those who see them, must not take the time of other rooms' messages.
func (b *Bounds) React(room chat.RoomID) (wait time.Duration) {
	r := b.l.ReactionRate()
	if r.Off() {
		return 0
	}
	b.rooms.mu.Lock()
	used, _ := b.rooms.reactions.Get(room)
	used, wait = r.Take(used, b.now().Truncate(reactionsTogether), 1)
	b.rooms.reactions.Add(room, used)
	b.rooms.mu.Unlock()
	if wait > 0 {
		b.m.Reactions.Inc()
	}
	return wait
}
