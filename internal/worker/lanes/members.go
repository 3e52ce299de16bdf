package facts

import (
	"context"
	"sync"
	"time"

	"chat-service/internal/chat"
)

// Members answers who is in which room.
type Members interface {
	Membership(ctx context.Context, room chat.RoomID, user chat.UserID) (chat.Membership, error)
}

// Cache remembers who is a member. Who is none is asked for every time: he may have joined meanwhile, by another process. When
// it is full it starts over. Safe for use by many goroutines.
type Cache struct {
	mu   sync.Mutex
	ttl  time.Duration
	size int
	m    map[chat.Place]time.Time // when it was asked
}

// New makes a cache of at most size members, each believed for ttl.
func New(ttl time.Duration, size int) *Cache {
	return &Cache{ttl: ttl, size: size, m: map[chat.Place]time.Time{}}
}

// Member tells whether the user is a member of the room.
func (f *Cache) Member(ctx context.Context, ms Members, room chat.RoomID, user chat.UserID) (bool, error) {
	k := chat.Place{Room: room, User: user}
	f.mu.Lock()
	at, ok := f.m[k]
	f.mu.Unlock()
	if ok && time.Since(at) < f.ttl {
		return true, nil
	}
	m, err := ms.Membership(ctx, room, user)
	if err != nil && chat.KindOf(err) != chat.NotFound {
		return false, err
	}
	if err != nil || !m.Member.In() {
		return false, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.m) >= f.size {
		clear(f.m)
	}
	f.m[k] = time.Now()
	return true, nil
}

// Forget has the next question asked anew.
func (f *Cache) Forget(room chat.RoomID, user chat.UserID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.m, chat.Place{Room: room, User: user})
}
