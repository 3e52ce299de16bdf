package gateway

import "sync"

const (
	tickMS     = 100
	wheelSlots = 512 // 51 s: more than the usual ping interval; what is due later is looked at once on the way
)

// wheel looks at sockets when something of theirs is due: pings, silence, deadlines, expiry. A socket stands in one
// slot at most, so an idle one costs a look per ping and no timer. What is due only the socket knows (dueLocked).
type wheel struct {
	mu    sync.Mutex
	slots [wheelSlots][]*socket
	done  int64 // the last tick that was handled
	spare []*socket
}

func newWheel(now int64) *wheel { return &wheel{done: now / tickMS} }

// move has s looked at at the time due (Unix milliseconds), at the earliest in the next tick.
func (w *wheel) move(s *socket, due int64) {
	w.mu.Lock()
	w.put(s, due)
	w.mu.Unlock()
}

func (w *wheel) put(s *socket, due int64) {
	w.drop(s)
	tick := min(max((due+tickMS-1)/tickMS, w.done+1), w.done+wheelSlots-1)
	i := int(tick % wheelSlots)
	s.slot, s.place = int16(i)+1, int32(len(w.slots[i]))
	w.slots[i] = append(w.slots[i], s)
}

// remove forgets s.
func (w *wheel) remove(s *socket) {
	w.mu.Lock()
	w.drop(s)
	w.mu.Unlock()
}

func (w *wheel) drop(s *socket) {
	if s.slot == 0 {
		return
	}
	l := w.slots[s.slot-1]
	last := len(l) - 1
	l[s.place] = l[last]
	l[s.place].place = s.place
	l[last] = nil
	w.slots[s.slot-1] = l[:last]
	s.slot = 0
}

// turn calls look for every socket whose slot has come. look moves the socket to another slot, or lets it go.
func (w *wheel) turn(now int64, look func(s *socket, now int64)) {
	for {
		w.mu.Lock()
		if w.done >= now/tickMS {
			w.mu.Unlock()
			return
		}
		w.done++
		l := w.slots[w.done%wheelSlots]
		w.slots[w.done%wheelSlots], w.spare = w.spare[:0], nil
		for _, s := range l {
			s.slot = 0
		}
		w.mu.Unlock()
		for i, s := range l {
			look(s, now)
			l[i] = nil
		}
		if cap(l) <= 1024 {
			w.spare = l
		}
	}
}
