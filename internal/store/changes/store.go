package changes

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/outbox"
)

// Store reads and writes the tables message_state, room_changes, reactions, pins and recalls, and what they change in messages
// and rooms.
type Store struct {
	d        *db.DB
	outbox   *outbox.Store
	messages *messages.Store
	doubts   atomic.Int32 // batches that look up at once what was asked before
}

// New opens the store over d.
func New(d *db.DB) *Store { return &Store{d: d, outbox: outbox.New(d), messages: messages.New(d)} }

// Apply carries out a batch of changes, in one transaction, in their order. done[i] answers batch[i]; heads says how far each room of
// the batch has come, changed or not, by ascending id. The caller has checked ids, keys, contents and data.
//
// Hardly any change was asked for before, and to look for those takes a tenth of a batch's time. So a batch runs without that first, and
// again with it where a change_id turns out to be taken, or where a change would be refused: its first answer may have been another one.
//
// A row that the server refuses fails alone (Changed.Err, Invalid). err means that nothing is known about the whole batch; running it
// again is safe.
func (s *Store) Apply(ctx context.Context, batch []chat.Change, now time.Time) (done []chat.Changed, heads []chat.Head, err error) {
	if len(batch) == 0 {
		return nil, nil, nil
	}
	b := newBatch(batch, now, s.d.Limits())
	b.hoping = s.doubts.Load() <= 0
	err = s.d.Play(ctx, "change", db.Repeatable, b.commit)
	if b.hoping && mustLook(err) {
		s.doubts.Store(doubtful)
		b.looks()
		err = s.d.Play(ctx, "change", db.Repeatable, b.commit)
	} else if !b.hoping {
		s.doubts.Add(-1)
	}
	switch {
	case err == nil:
		return b.done, b.heads(), nil
	case !db.RowAtFault(err):
		return nil, nil, err
	case len(batch) == 1:
		return s.refuse(ctx, b, err)
	}
	half := len(batch) / 2
	done, heads, err = s.Apply(ctx, batch[:half], now)
	if err != nil {
		return nil, nil, err
	}
	more, later, err := s.Apply(ctx, batch[half:], now)
	if err != nil {
		return nil, nil, err
	}
	return append(done, more...), mergeHeads(heads, later), nil
}

// doubtful is how many batches look up at once what was asked before, after one that had to run again for it.
const doubtful = 32

var errMustLook = errors.New("a change may have been asked for before")

// mustLook reports whether a batch must run again, and look up what was asked before.
func mustLook(err error) bool { return errors.Is(err, errMustLook) || db.Duplicate(err, "") }

// looks has the batch look up what was asked before. Where no run but one that failed has meant to write anything, nothing of it is there.
func (b *batch) looks() {
	if b.hoping = false; b.runs == 1 {
		clear(b.ours)
	}
}

// refuse answers a single change that the server would not take.
func (s *Store) refuse(ctx context.Context, b *batch, cause error) ([]chat.Changed, []chat.Head, error) {
	b.refusal = notStorable(cause)
	err := s.d.Play(ctx, "change", db.Repeatable, b.commit)
	if err == nil {
		return b.done, b.heads(), nil
	}
	if db.RowAtFault(err) {
		return []chat.Changed{{Change: b.asked[0], Err: b.refusal}}, nil, nil
	}
	return nil, nil, err
}

func notStorable(cause error) *chat.Error {
	return chat.Wrap(chat.Invalid, cause, "the change can't be stored")
}

// mergeHeads joins the heads of two parts of a batch, the later part second.
func mergeHeads(a, b []chat.Head) []chat.Head {
	for _, h := range b {
		i, found := slices.BinarySearchFunc(a, h, byRoom)
		if found {
			a[i] = h
		} else {
			a = slices.Insert(a, i, h)
		}
	}
	return a
}

func byRoom(x, y chat.Head) int { return cmp.Compare(x.Room, y.Room) }

// PostChange carries out one change that came by REST, by the rules of Apply, and leaves its announcement in the outbox within the same
// transaction, if it changed something. A repeat by somebody who may no longer see the message is NotFound.
func (s *Store) PostChange(ctx context.Context, c chat.Change, now time.Time) (chat.Changed, error) {
	b := newBatch([]chat.Change{c}, now, s.d.Limits())
	run := func(tx db.Tx) error {
		writes, err := b.commit(tx.Ask)
		if err == nil {
			err = tx.Write(writes...)
		}
		if err != nil || len(b.happened) == 0 {
			return err
		}
		d := b.done[0]
		asked := chat.Change{Room: c.Room, Seq: c.Seq, User: c.User, Session: c.Session, ID: c.ID, Kind: c.Kind, Key: c.Key, On: c.On}
		return s.outbox.Add(tx, envelope.Announcement{Changed: &chat.Changed{
			Change: asked, ChangeSeq: d.ChangeSeq, Prev: d.Prev, Version: d.Version, AtSeq: d.AtSeq,
		}})
	}
	err := s.d.Tx(ctx, "post change", db.Repeatable, run)
	if err != nil && db.RowAtFault(err) {
		b.refusal = notStorable(err)
		if err = s.d.Tx(ctx, "post change", db.Repeatable, run); err != nil && db.RowAtFault(err) {
			return chat.Changed{Change: c, Err: b.refusal}, nil
		}
	}
	if err != nil {
		return chat.Changed{}, err
	}
	if d := b.done[0]; d.Err == nil && !b.sees(c) {
		return chat.Changed{Change: c, Err: noMessage()}, nil
	}
	return b.done[0], nil
}

func noMessage() *chat.Error { return chat.E(chat.NotFound, "no such message") }
