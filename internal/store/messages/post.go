package messages

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// Post appends one message that came by REST, by the rules of Append, and leaves its announcement in the outbox
// within the same transaction, unless it was a duplicate.
func (s *Store) Post(ctx context.Context, send chat.Send, now time.Time) (chat.Sent, error) {
	b := newBatch([]chat.Send{send}, now)
	return s.post(ctx, b, b.commit)
}

// post runs a commit of one send, and announces what it led to.
func (s *Store) post(ctx context.Context, b *batch, commit func(db.Ask) ([]*db.Statement, error)) (chat.Sent, error) {
	run := func(tx db.Tx) error {
		writes, err := commit(tx.Ask)
		if err == nil {
			err = tx.Write(writes...)
		}
		if err != nil || len(b.fresh) == 0 {
			return err
		}
		if err := shut(tx, b.sends[0].Sender); err != nil {
			return err
		}
		r, err := Room(tx, b.sends[0].Room)
		if err != nil {
			return err
		}
		return s.outbox.Add(tx, envelope.Announcement{Message: &b.sent[0].Message, Room: &r})
	}
	err := s.d.Tx(ctx, "post", db.Repeatable, run)
	if err != nil && db.RowAtFault(err) {
		b.refusal = notStorable(err)
		if err = s.d.Tx(ctx, "post", db.Repeatable, run); err != nil && db.RowAtFault(err) {
			return chat.Sent{Err: b.refusal}, nil
		}
	}
	if err == nil {
		err = s.refresh(ctx, b)
	}
	if err != nil {
		return chat.Sent{}, err
	}
	return b.sent[0], nil
}

// shut is Blocked for a sender whose account is disabled. A call by REST was judged before its room was locked; what is erased then must
// not come after that.
func shut(tx db.Tx, sender chat.UserID) error {
	var n int64
	if err := tx.Table("users").Where("id = ? AND status = ?", sender, chat.Disabled).Count(&n).Error; err != nil || n == 0 {
		return err
	}
	return chat.E(chat.Blocked, "")
}

// Say takes the room's next seq for a system message, inside a transaction that holds the room's row lock and stores
// the room afterwards. at is its EntryTime; ord repeats the last one, so nobody has it unread.
func (s *Store) Say(tx db.Tx, r *chat.Room, ev chat.SystemEvent, at time.Time) (*chat.Message, error) {
	content, err := json.Marshal(ev)
	if err != nil {
		return nil, fmt.Errorf("write system message: %w", err)
	}
	r.LastSeq++
	row := table.Message{Message: chat.Message{
		Room: r.ID, Seq: r.LastSeq, Ord: r.MsgCount, Kind: chat.System, Content: string(content),
		CreatedAt: at,
	}}
	row.BodyHash = BodyHash(row.Content)
	var q db.Statement
	q.Add(table.Messages.Insert()+table.Messages.Marks(), table.Messages.Values(&row)...)
	_, err = q.Exec(tx)
	return &row.Message, err
}
