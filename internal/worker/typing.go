package worker

import (
	"context"
	"sync"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// typing relays that a member types, to the room's sessions; it is never stored.
func (l *lane) typing(ctx context.Context, cmd *envelope.Command) error {
	in, err := l.w.facts.member(ctx, l.w.o.Members, cmd.Room, cmd.User)
	if err != nil {
		return err
	}
	if !in {
		return chat.E(chat.NotFound, "no such room")
	}
	l.w.committer(cmd.Room.Partition(l.w.o.Partitions)).nudge(work{aside: &envelope.Delivery{
		Kind: envelope.Aside,
		Room: cmd.Room, User: cmd.User, Frame: protocol.AppendTyping(nil, cmd.Room, cmd.User),
	}})
	return nil
}

// memberCache remembers for a few seconds who is a member, for what is relayed without a trace. Nothing that is stored
// or delivered in a room's log is judged by it. Who is none is asked for every time: he may have joined meanwhile, by
// another process. When it is full it starts over.
type memberCache struct {
	mu   sync.Mutex
	ttl  time.Duration
	size int
	m    map[memberKey]time.Time // when it was asked
}

type memberKey struct {
	room chat.RoomID
	user chat.UserID
}

func newMemberCache(ttl time.Duration, size int) *memberCache {
	return &memberCache{ttl: ttl, size: size, m: map[memberKey]time.Time{}}
}

func (f *memberCache) member(ctx context.Context, ms Members, room chat.RoomID, user chat.UserID) (bool, error) {
	k := memberKey{room, user}
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

func (f *memberCache) forget(room chat.RoomID, user chat.UserID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.m, memberKey{room, user})
}
