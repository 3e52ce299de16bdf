package line

import (
	"sync/atomic"

	"chat-service/internal/chat"
)

// Watch is somebody who wants to know in which rooms something was committed: an entry, or a change of a message. It is a hint, which
// comes after the commit and gets lost if the process dies.
type Watch struct {
	On    atomic.Bool               // it costs nothing while it is false
	Woken func(rooms []chat.RoomID) // must not block
}

// hear notes that a message of a room was changed.
func (b *writeBehind) hear(room chat.RoomID) {
	if b.watch == nil || !b.watch.On.Load() {
		return
	}
	b.mu.Lock()
	if len(b.heard) < keptMoves {
		b.heard = append(b.heard, room)
	}
	b.mu.Unlock()
	b.poke()
}

// report names the rooms of the heads, and those that were heard of. The lock is held.
func (b *writeBehind) report(heads map[chat.RoomID]chat.Head) {
	rooms := b.heard
	b.heard = nil
	for id := range heads {
		rooms = append(rooms, id)
	}
	if len(rooms) > 0 {
		b.watch.Woken(rooms)
	}
}
