package line

import (
	"sync"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// Rows is a set of outbox rows on their way: announced, confirmation or deletion outstanding. A row leaves it when its
// deletion was tried; if that failed, the next poll announces it again, which is harmless.
type Rows struct {
	mu  sync.Mutex
	ids map[uint64]bool
}

// Take keeps the rows that weren't in the set and aren't above their room's bound (where it has one), and adds them.
func (s *Rows) Take(rows []envelope.Announcement, upTo map[chat.RoomID]chat.Seq) []envelope.Announcement {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[uint64]bool{}
	}
	fresh := rows[:0]
	for _, r := range rows {
		if r.Message != nil {
			if top, bound := upTo[r.Message.Room]; bound && r.Message.Seq > top {
				continue
			}
		}
		if !s.ids[r.ID] {
			s.ids[r.ID] = true
			fresh = append(fresh, r)
		}
	}
	return fresh
}

func (s *Rows) drop(ids []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.ids, id)
	}
}

// Len is how many are on their way.
func (s *Rows) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ids)
}
