package lanes

import (
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"chat-service/internal/chat"
)

const (
	memberFor  = 5 * time.Second // how long somebody is believed to be a member
	maxMembers = 50_000          // remembered; the least recently used ones are forgotten
)

// members remembers for a moment who is a member of a room, for what is relayed without a trace. Somebody who is none is looked up
// every time, since they may have joined meanwhile through another process. Safe for use by many goroutines.
//
// The expiry is kept here and not by the library's own expirable cache: that one reads a clock of its own and leaves a goroutine behind
// that nobody can stop.
type members struct {
	log  Log
	now  func() time.Time
	seen *lru.Cache[chat.Place, time.Time] // when each was looked up
}

func newMembers(log Log, now func() time.Time) *members {
	seen, err := lru.New[chat.Place, time.Time](maxMembers)
	if err != nil {
		panic(err) // the size is a positive constant
	}
	return &members{log: log, now: now, seen: seen}
}

// in reports whether the user is a member of the room.
func (m *members) in(ctx context.Context, room chat.RoomID, user chat.UserID) (bool, error) {
	p := chat.Place{Room: room, User: user}
	if at, ok := m.seen.Get(p); ok && m.now().Sub(at) < memberFor {
		return true, nil
	}
	in, err := m.lookUp(ctx, p)
	if in {
		m.seen.Add(p, m.now())
	}
	return in, err
}

func (m *members) lookUp(ctx context.Context, p chat.Place) (bool, error) {
	ms, err := m.log.Membership(ctx, p.Room, p.User)
	if err != nil {
		if chat.KindOf(err) == chat.NotFound {
			err = nil
		}
		return false, err
	}
	return ms.Member.In(), nil
}

// forget has the next question looked up.
func (m *members) forget(room chat.RoomID, user chat.UserID) {
	m.seen.Remove(chat.Place{Room: room, User: user})
}
