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
	reactions *simplelru.LRU[reacts, time.Time] // up to when the allowance is used
}

// reactionsTogether is how often a room's allowance grows. A crowd takes what there is at once, so that its reactions travel together and
// are one transaction, and not one each few milliseconds.
const reactionsTogether = 100 * time.Millisecond

// reacts is who reacts: the sockets that are in the room here, or all others together.
type reacts struct {
	room chat.RoomID
	here bool
}

// React takes a reaction from its room's allowance. Sockets that aren't in the room here share another one, as large: only a worker knows
// whether they are members' at all, and strangers must not use up what is the members'. If there is none left it returns how long until there is: a crowd's reactions to one
// message, which change little for those who see them, must not take the time of other rooms' messages.
func (b *Bounds) React(room chat.RoomID, here bool) (wait time.Duration) {
	r := b.l.ReactionRate()
	if r.Off() {
		return 0
	}
	who := reacts{room, here}
	b.rooms.mu.Lock()
	used, _ := b.rooms.reactions.Get(who)
	used, wait = r.Take(used, b.now().Truncate(reactionsTogether), 1)
	b.rooms.reactions.Add(who, used)
	b.rooms.mu.Unlock()
	if wait > 0 {
		b.m.Reactions.Inc()
	}
	return wait
}
