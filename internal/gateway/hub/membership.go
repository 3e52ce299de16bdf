package hub

import (
	"sync"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

const (
	membershipLife  = 60_000  // ms; the gateway refuses a welcome that is older than half of this
	membershipBound = 1 << 16 // memberships per generation
)

// memberships remembers for a while at which seq users entered or left rooms, attached or not, so that an answer that
// was read earlier can't undo a later notice. There are two generations: a notice lives between one and two times
// membershipLife. A full generation is replaced early, which forgets the oldest notices.
type memberships struct {
	mu     sync.Mutex
	cur    map[membershipKey]membership
	old    map[membershipKey]membership
	turned int64
}

// membershipKey is a user in a room. User 0 is everybody: the room was dissolved.
type membershipKey struct {
	room chat.RoomID
	user chat.UserID
}

// membership is a notice that a user entered a room, or left it, at a seq.
type membership struct {
	epoch uint64
	seq   chat.Seq
	in    bool
}

// newer reports whether f is at least as new as g. If an epoch isn't known, the seqs decide.
func (f membership) newer(g membership) bool {
	if f.epoch == 0 || g.epoch == 0 {
		return f.seq >= g.seq
	}
	return f.epoch > g.epoch || f.epoch == g.epoch && f.seq >= g.seq
}

// note keeps f unless a newer one is known.
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

// noteAll notes who leaves and who is added with an entry.
func (ms *memberships) noteAll(d *envelope.Delivery) {
	for _, u := range d.Removed {
		ms.note(d.Room, u, membership{d.Epoch, d.Seq, false})
	}
	for _, u := range d.Added {
		ms.note(d.Room, u, membership{d.Epoch, d.Seq, true})
	}
	if d.All {
		ms.note(d.Room, 0, membership{d.Epoch, d.Seq, false})
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

// age drops what is too old. The ticker calls it.
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

// in returns the seq at which the user entered, 0 if that isn't the newest that is known.
func (ms *memberships) in(room chat.RoomID, user chat.UserID, epoch uint64) chat.Seq {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if f, ok := ms.find(membershipKey{room, user}); ok && f.in && f.epoch == epoch {
		return f.seq
	}
	return 0
}

// out reports whether the user is known to have left at asOf or after it.
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
