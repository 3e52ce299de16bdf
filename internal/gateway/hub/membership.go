package hub

import (
	"sync"

	"chat-service/internal/chat"
)

const (
	membershipLife  = 60_000  // ms; a welcome is refused when it is older than half of that
	membershipBound = 1 << 16 // memberships per generation
)

// memberships remembers for a while, for rooms attached or not, at which seq users left or entered, so that an answer that was
// read earlier can't undo a later notice. Two generations: a membership lives between one and two times membershipLife. When a generation
// is full it turns early, which forgets the oldest.
type memberships struct {
	mu     sync.Mutex
	cur    map[membershipKey]membership
	old    map[membershipKey]membership
	turned int64
}

// membershipKey names a user in a room; user 0 is everybody (the room was dissolved).
type membershipKey struct {
	room chat.RoomID
	user chat.UserID
}

type membership struct {
	epoch uint64
	seq   chat.Seq
	in    bool
}

// newer tells whether f is at least as new as g; where an epoch isn't known, the seqs decide.
func (f membership) newer(g membership) bool {
	if f.epoch == 0 || g.epoch == 0 {
		return f.seq >= g.seq
	}
	return f.epoch > g.epoch || f.epoch == g.epoch && f.seq >= g.seq
}

// note keeps f if nothing newer is known.
func (ms *memberships) note(room chat.RoomID, user chat.UserID, f membership) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if ms.cur == nil || len(ms.cur) >= membershipBound {
		ms.turn()
	}
	k := membershipKey{room, user}
	if g, ok := ms.find(k); !ok || f.newer(g) {
		ms.cur[k] = f
	}
}

func (ms *memberships) find(k membershipKey) (membership, bool) {
	f, ok := ms.cur[k]
	if !ok {
		f, ok = ms.old[k]
	}
	return f, ok
}

func (ms *memberships) turn() { ms.cur, ms.old = map[membershipKey]membership{}, ms.cur }

// age drops what is too old; the ticker calls it.
func (ms *memberships) age(now int64) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if now-ms.turned >= membershipLife {
		ms.turned = now
		if len(ms.cur)+len(ms.old) > 0 {
			ms.turn()
		}
	}
}

// in returns the seq at which the user is known to have entered, 0 where the newest membership is another.
func (ms *memberships) in(room chat.RoomID, user chat.UserID, epoch uint64) chat.Seq {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if f, ok := ms.find(membershipKey{room, user}); ok && f.in && f.epoch == epoch {
		return f.seq
	}
	return 0
}

// out tells whether the user is known to have left at asOf or after it.
func (ms *memberships) out(room chat.RoomID, user chat.UserID, asOf membership) bool {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	f, ok := ms.find(membershipKey{room, user})
	if ok && !f.in && f.newer(asOf) {
		return true
	}
	f, ok = ms.find(membershipKey{room, 0})
	return ok && f.newer(asOf)
}
