package store

import (
	"context"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/batch"
	"chat-service/internal/store/db"
)

// Append puts a batch of messages into their rooms, in one transaction. sent[i] answers sends[i]; the order within
// the batch is the order of the seqs. heads tells how far each room of the batch has come, changed or not, by
// ascending id. now becomes created_at, in milliseconds. The caller has checked content and client_msg_id.
//
// A row that the server refuses fails alone (Sent.Err, Invalid): the batch is split until the row stands by itself.
// err means that nothing can be said about the whole batch; running it again is safe.
func (d *DB) Append(ctx context.Context, sends []chat.Send, now time.Time) (sent []chat.Sent, heads []chat.Head, err error) {
	if len(sends) == 0 {
		return nil, nil, nil
	}
	a := batch.New(sends, now)
	err = d.Play(ctx, "append", db.Repeatable, a)
	if err == nil {
		return a.Sent, a.Heads(), nil
	}
	if !db.RowAtFault(err) {
		return nil, nil, err
	}
	if len(sends) == 1 {
		return d.refuse(ctx, a, err)
	}
	return d.appendHalves(ctx, sends, now)
}

func (d *DB) appendHalves(ctx context.Context, sends []chat.Send, now time.Time) ([]chat.Sent, []chat.Head, error) {
	half := len(sends) / 2
	sent, heads, err := d.Append(ctx, sends[:half], now)
	if err != nil {
		return nil, nil, err
	}
	rest, later, err := d.Append(ctx, sends[half:], now)
	if err != nil {
		return nil, nil, err
	}
	return append(sent, rest...), mergeHeads(heads, later), nil
}

// refuse answers a single row that the server would not take, and spends its client_seq.
func (d *DB) refuse(ctx context.Context, a *batch.Batch, cause error) ([]chat.Sent, []chat.Head, error) {
	a.Refusal = chat.Wrap(chat.Invalid, cause, "the message can't be stored")
	err := d.Play(ctx, "append", db.Repeatable, a)
	if err == nil {
		return a.Sent, a.Heads(), nil
	}
	if db.RowAtFault(err) { // even its session id: there is no number to spend
		return []chat.Sent{{Err: a.Refusal}}, nil, nil
	}
	return nil, nil, err
}

// mergeHeads joins the heads of two parts of a batch, the later part second.
func mergeHeads(a, b []chat.Head) []chat.Head {
	for _, h := range b {
		i, found := slices.BinarySearchFunc(a, h, func(x, y chat.Head) int { return int(int64(x.Room) - int64(y.Room)) })
		if !found {
			a = slices.Insert(a, i, h)
			continue
		}
		h.Before = a[i].Before
		a[i] = h
	}
	return a
}
