package operator

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"chat-service/internal/chat"
)

// Dead is a command that no worker could carry out.
type Dead struct {
	ID        uint64      `json:"id"`
	Partition int         `json:"partition"`
	Kind      string      `json:"kind"`
	User      chat.UserID `json:"user_id,omitempty"`
	Room      chat.RoomID `json:"room_id,omitempty"`
	Reason    string      `json:"reason"`
	CreatedAt time.Time   `json:"created_at"`
	Bytes     int         `json:"bytes"` // of its payload
}

const deadColumns = "id, partition_no, kind, user_id, room_id, reason, created_at, LENGTH(payload)"

func (d *Dead) fields() []any {
	return []any{&d.ID, &d.Partition, &d.Kind, &d.User, &d.Room, &d.Reason, &d.CreatedAt, &d.Bytes}
}

// Dead lists the newest dead commands, at most limit, and counts all.
func (s *Server) Dead(ctx context.Context, limit int) (ds []Dead, total int64, err error) {
	const question = "list dead commands"
	if err := s.one(ctx, question, "SELECT COUNT(*) FROM "+s.table("dead_commands"), nil, &total); err != nil {
		return nil, 0, err
	}
	ds = []Dead{}
	err = s.each(ctx, question, "SELECT "+deadColumns+" FROM "+s.table("dead_commands")+" ORDER BY id DESC LIMIT ?", []any{limit},
		func(scan func(...any) error) error {
			var d Dead
			err := scan(d.fields()...)
			ds = append(ds, d)
			return err
		})
	return ds, total, err
}

// DeadCommand reads one with its payload, which may hold what a user wrote. NotFound.
func (s *Server) DeadCommand(ctx context.Context, id uint64) (d Dead, payload []byte, err error) {
	err = s.one(ctx, "read a dead command", "SELECT "+deadColumns+", payload FROM "+s.table("dead_commands")+" WHERE id = ?", []any{id},
		append(d.fields(), &payload)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = chat.E(chat.NotFound, "there is no dead command %d", id)
	}
	return d, payload, err
}

// DropDead deletes those of the ids that are there, or all where none is named, and counts them.
func (s *Server) DropDead(ctx context.Context, ids []uint64) (int64, error) {
	const question = "drop dead commands"
	q := "DELETE FROM " + s.table("dead_commands") //nolint:gosec // quoted by table; what follows are question marks
	if len(ids) > 0 {
		q += " WHERE id IN (" + marks(len(ids)) + ")"
	}
	res, err := s.pool.ExecContext(ctx, q, list(ids)...)
	if err != nil {
		return 0, failed(question, err)
	}
	n, err := res.RowsAffected()
	return n, failed(question, err)
}
