package hub

import (
	"sync"

	"chat-service/internal/chat"
)

const (
	factLife  = 60_000  // ms; a welcome is refused when it is older than half of that
	factBound = 1 << 16 // facts per generation
)

// facts remembers for a while, for rooms attached or not, at which seq users left or entered, so that an answer that was
// read earlier can't undo a later notice. Two generations: a fact lives between one and two times factLife. When a generation
// is full it turns early, which forgets the oldest.
type facts struct {
	mu     sync.Mutex
	cur    map[factKey]fact
	old    map[factKey]fact
	turned int64
}

// factKey names a user in a room; user 0 is everybody (the room was dissolved).
type factKey struct {
	room chat.RoomID
	user chat.UserID
}

type fact struct {
	epoch uint64
	seq   chat.Seq
	in    bool
}

// newer tells whether f is at least as new as g; where an epoch isn't known, the seqs decide.
func (f fact) newer(g fact) bool {
	if f.epoch == 0 || g.epoch == 0 {
		return f.seq >= g.seq
	}
	return f.epoch > g.epoch || f.epoch == g.epoch && f.seq >= g.seq
}

// note keeps f if nothing newer is known.
func (fs *facts) note(room chat.RoomID, user chat.UserID, f fact) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.cur == nil || len(fs.cur) >= factBound {
		fs.turn()
	}
	k := factKey{room, user}
	if g, ok := fs.find(k); !ok || f.newer(g) {
		fs.cur[k] = f
	}
}

func (fs *facts) find(k factKey) (fact, bool) {
	f, ok := fs.cur[k]
	if !ok {
		f, ok = fs.old[k]
	}
	return f, ok
}

func (fs *facts) turn() { fs.cur, fs.old = map[factKey]fact{}, fs.cur }

// age drops what is too old; the ticker calls it.
func (fs *facts) age(now int64) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if now-fs.turned >= factLife {
		fs.turned = now
		if len(fs.cur)+len(fs.old) > 0 {
			fs.turn()
		}
	}
}

// in returns the seq at which the user is known to have entered, 0 where the newest fact is another.
func (fs *facts) in(room chat.RoomID, user chat.UserID, epoch uint64) chat.Seq {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f, ok := fs.find(factKey{room, user}); ok && f.in && f.epoch == epoch {
		return f.seq
	}
	return 0
}

// out tells whether the user is known to have left at asOf or after it.
func (fs *facts) out(room chat.RoomID, user chat.UserID, asOf fact) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f, ok := fs.find(factKey{room, user})
	if ok && !f.in && f.newer(asOf) {
		return true
	}
	f, ok = fs.find(factKey{room, 0})
	return ok && f.newer(asOf)
}
