package fakestore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// row is a row of the outbox.
type row struct {
	id        uint64
	partition int
	kind      envelope.AnnouncementKind
	payload   []byte
	at        time.Time
}

// add leaves an announcement.
func (s *Store) add(an envelope.Announcement) {
	p := an.Partition
	switch {
	case an.Message != nil:
		p = an.Message.Room.Partition(s.o.Partitions)
	case an.Changed != nil:
		p = an.Changed.Change.Room.Partition(s.o.Partitions)
	case an.Read != nil:
		p = an.Read.Room.Partition(s.o.Partitions)
	case an.Revoked != nil:
		p = an.Revoked.User.Partition(s.o.Partitions)
	case an.Profile != nil:
		p = an.Profile.ID.Partition(s.o.Partitions)
	}
	payload, err := an.Encode()
	if err != nil {
		panic(fmt.Sprintf("a test announces what can't be encoded: %v", err))
	}
	s.lastRow++
	s.outbox = append(s.outbox, row{s.lastRow, p, an.Kind(), payload, s.now()})
}

// Outbox implements the stations' ports; see outbox.Store.
func (s *Store) Outbox(ctx context.Context, partitions []int, limit int) (ans []envelope.Announcement, err error) {
	end, err := s.begin(ctx, "Outbox")
	defer end()
	if err != nil {
		return nil, err
	}
	for _, r := range s.outbox {
		if !slices.Contains(partitions, r.partition) || !r.kind.Known() || len(ans) >= limit {
			continue
		}
		an, err := envelope.DecodeAnnouncement(r.kind, r.payload)
		if err != nil {
			return nil, err
		}
		an.ID, an.Partition = r.id, r.partition
		ans = append(ans, an)
	}
	return ans, nil
}

// OutboxWaiting implements the stations' ports; see outbox.Store.
func (s *Store) OutboxWaiting(ctx context.Context, partitions []int) (waiting []int, err error) {
	end, err := s.begin(ctx, "OutboxWaiting")
	defer end()
	if err != nil {
		return nil, err
	}
	for _, r := range s.outbox {
		if slices.Contains(partitions, r.partition) && r.kind.Known() {
			waiting = append(waiting, r.partition)
		}
	}
	slices.Sort(waiting)
	return slices.Compact(waiting), nil
}

// OutboxUnknown implements the stations' ports; see outbox.Store.
func (s *Store) OutboxUnknown(ctx context.Context, partitions []int) (n int, err error) {
	end, err := s.begin(ctx, "OutboxUnknown")
	defer end()
	if err != nil {
		return 0, err
	}
	for _, r := range s.outbox {
		if slices.Contains(partitions, r.partition) && !r.kind.Known() {
			n++
		}
	}
	return n, nil
}

// Announced implements the stations' ports; see outbox.Store.
func (s *Store) Announced(ctx context.Context, ids []uint64) error {
	end, err := s.begin(ctx, "Announced")
	defer end()
	if err == nil {
		s.outbox = slices.DeleteFunc(s.outbox, func(r row) bool { return slices.Contains(ids, r.id) })
	}
	return err
}

// Beat implements the stations' ports; see operator.Store. While the store is stalled it waits until ctx ends.
func (s *Store) Beat(ctx context.Context, w chat.LiveWorker) error {
	end, err := s.begin(ctx, "Beat")
	stalled := s.stalled
	if err == nil && !stalled {
		s.Beaten(w)
	}
	end()
	if !stalled {
		return err
	}
	<-ctx.Done()
	s.set(func() { s.late++ })
	return ctx.Err()
}

// Quarantine implements the stations' ports; see operator.Store.
func (s *Store) Quarantine(ctx context.Context, c chat.DeadCommand) error {
	end, err := s.begin(ctx, "Quarantine")
	defer end()
	if err == nil {
		s.dead = append(s.dead, c)
	}
	return err
}

// Burden implements the stations' ports; see operator.Store.
func (s *Store) Burden(ctx context.Context) (waits time.Duration, dead int64, err error) {
	end, err := s.begin(ctx, "Burden")
	defer end()
	if err == nil && len(s.outbox) > 0 {
		waits = max(0, s.now().Sub(s.outbox[0].at))
	}
	return waits, int64(len(s.dead)), err
}

// IndexNames implements the stations' ports; see rooms.Store. Here every room is found as it is.
func (s *Store) IndexNames(ctx context.Context, _ chat.RoomID, _ int) (next chat.RoomID, indexed int, err error) {
	end, err := s.begin(ctx, "IndexNames")
	defer end()
	return 0, 0, err
}

// BumpEpoch implements operator.Store's verb.
func (s *Store) BumpEpoch(ctx context.Context, room chat.RoomID) error {
	end, err := s.begin(ctx, "BumpEpoch")
	defer end()
	if err != nil {
		return err
	}
	if room != 0 && s.rooms[room] == nil {
		return noRoom()
	}
	for id, r := range s.rooms {
		if room == 0 || id == room {
			r.Epoch++
		}
	}
	return nil
}

// Sweep implements the stations' ports; see operator.Store.
func (s *Store) Sweep(ctx context.Context, before time.Time, limit int) (n int64, err error) {
	end, err := s.begin(ctx, "Sweep")
	defer end()
	if err != nil {
		return 0, err
	}
	gone := 0
	for id, l := range s.sessions {
		if gone == limit || !l.ExpiresAt.Before(before) {
			continue
		}
		gone++
		n++
		delete(s.sessions, id)
		for hash, t := range s.tokens {
			if t.session == id {
				delete(s.tokens, hash)
				n++
			}
		}
	}
	gone = 0
	for _, r := range s.rooms {
		for key, c := range r.cursors {
			if gone < limit && c.moved.Before(before) {
				delete(r.cursors, key)
				gone++
				n++
			}
		}
	}
	return n, nil
}
