package audit

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// maxDetail is the length of audit.detail in characters.
const maxDetail = 190

// Store reads and writes the table audit.
type Store struct{ d *db.DB }

// New opens the store over d.
func New(d *db.DB) *Store { return &Store{d} }

// Add records an act within the transaction of what it is about. Who did it is the origin of the transaction's context.
func (s *Store) Add(tx db.Tx, a chat.Act) error {
	return s.insert(tx, []chat.Act{a.From(tx.Statement.Context)})
}

// Record stores acts that are complete, in one statement.
func (s *Store) Record(ctx context.Context, as []chat.Act) error {
	if len(as) == 0 {
		return nil
	}
	return s.d.Tx(ctx, "record acts", db.Once, func(tx db.Tx) error { return s.insert(tx, as) })
}

func (s *Store) insert(tx db.Tx, as []chat.Act) error {
	var q db.Statement
	q.Add(table.Audit.Insert())
	for i, a := range as {
		if a.At.IsZero() {
			a.At = s.d.Now()
		}
		a.At, a.Detail = db.Micros(a.At), table.Clip(a.Detail, maxDetail)
		if i > 0 {
			q.Add(",")
		}
		q.Add(table.Audit.Marks(), table.Audit.Values(&a)...)
	}
	_, err := q.Exec(tx)
	return err
}

// Acts returns the newest acts that q selects, newest first.
func (s *Store) Acts(ctx context.Context, q chat.ActQuery) (as []chat.Act, err error) {
	err = s.d.Retry(ctx, "read the audit trail", func(tx db.Tx) error {
		found := tx.DB
		if len(q.Kinds) > 0 {
			found = found.Where("kind IN ?", q.Kinds)
		}
		if q.User != 0 {
			found = found.Where("user_id = ?", q.User)
		}
		if q.Room != 0 {
			found = found.Where("room_id = ?", q.Room)
		}
		if q.IP != "" {
			found = found.Where("ip = ?", q.IP)
		}
		if !q.Since.IsZero() {
			found = found.Where("at >= ?", db.Micros(q.Since))
		}
		if q.Before != 0 {
			found = found.Where("id < ?", q.Before)
		}
		as, err = table.Audit.Find(found.Order("id DESC").Limit(q.Limit))
		return err
	})
	return as, err
}
