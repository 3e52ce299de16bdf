package messages

import (
	"context"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// appendParts goes on after cause has ended a batch. If the server refused some row of it, both halves are appended by themselves, and
// a single row is refused.
func (s *Store) appendParts(ctx context.Context, b *batch, now time.Time, cause error) ([]chat.Sent, []chat.Head, error) {
	sends := b.sends
	switch {
	case !db.RowAtFault(cause):
		return nil, nil, cause
	case len(sends) == 1:
		return s.refuse(ctx, b, cause)
	}
	half := len(sends) / 2
	sent, heads, err := s.Append(ctx, sends[:half], now)
	if err != nil {
		return nil, nil, err
	}
	more, later, err := s.Append(ctx, sends[half:], now)
	if err != nil {
		return nil, nil, err
	}
	return append(sent, more...), mergeHeads(heads, later), nil
}

// refuse answers a single row that the server would not take, and spends its client_seq.
func (s *Store) refuse(ctx context.Context, b *batch, cause error) ([]chat.Sent, []chat.Head, error) {
	b.refusal = notStorable(cause)
	err := s.d.Play(ctx, "append", db.Repeatable, b.commit)
	if err == nil {
		return b.sent, b.heads(), s.refresh(ctx, b)
	}
	if db.RowAtFault(err) { // even its session id: there is no number to spend
		return []chat.Sent{{Err: b.refusal}}, nil, nil
	}
	return nil, nil, err
}

func notStorable(cause error) *chat.Error {
	return chat.Wrap(chat.Invalid, cause, "the message can't be stored")
}

// refresh reads again, with their states, those messages of the batch that were there before and have changed since.
func (s *Store) refresh(ctx context.Context, b *batch) error {
	for i := range b.sent {
		m := &b.sent[i].Message
		if r := b.rooms[m.Room]; !b.sent[i].Duplicate || r == nil || r.Changes == 0 {
			continue
		}
		now, err := s.Messages(ctx, m.Room, m.Seq, m.Seq, 1)
		if err != nil {
			return err
		}
		if len(now) > 0 {
			*m = now[0]
		}
	}
	return nil
}

// mergeHeads joins the heads of two parts of a batch, the later part second.
func mergeHeads(a, b []chat.Head) []chat.Head {
	for _, h := range b {
		i, found := slices.BinarySearchFunc(a, h, byRoom)
		if !found {
			a = slices.Insert(a, i, h)
			continue
		}
		h.Before = a[i].Before
		a[i] = h
	}
	return a
}
