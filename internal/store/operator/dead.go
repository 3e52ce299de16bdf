package operator

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/table"
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

// deadRow is a row of dead_commands without its payload.
type deadRow struct {
	table.Dead
	bytes int
}

func (r *deadRow) cells() []any { return append(table.DeadHeads.Cells(&r.Dead), &r.bytes) }

func (r *deadRow) dead() Dead {
	c := r.DeadCommand
	return Dead{
		ID: r.ID, Partition: c.Partition, Kind: c.Kind, User: c.User, Room: c.Room, Reason: c.Reason,
		CreatedAt: r.CreatedAt, Bytes: r.bytes,
	}
}

// deadFrom begins the statement that reads deadRow.
func (s *Server) deadFrom(more string) string {
	return "SELECT " + table.DeadHeads.Select() + ", LENGTH(d.payload)" + more + " FROM " + s.table("dead_commands") + " d"
}

// Dead lists the newest dead commands, at most limit, and counts all.
func (s *Server) Dead(ctx context.Context, limit int) (ds []Dead, total int64, err error) {
	const question = "list dead commands"
	if err := s.one(ctx, question, "SELECT COUNT(*) FROM "+s.table("dead_commands"), nil, &total); err != nil {
		return nil, 0, err
	}
	ds = []Dead{}
	err = s.each(ctx, question, s.deadFrom("")+" ORDER BY d.id DESC LIMIT ?", []any{limit},
		func(scan func(...any) error) error {
			var r deadRow
			err := scan(r.cells()...)
			ds = append(ds, r.dead())
			return err
		})
	return ds, total, err
}

// DeadCommand reads one with its payload, which may hold what a user wrote. NotFound.
func (s *Server) DeadCommand(ctx context.Context, id uint64) (d Dead, payload []byte, err error) {
	var r deadRow
	err = s.one(ctx, "read a dead command", s.deadFrom(", d.payload")+" WHERE d.id = ?", []any{id}, append(r.cells(), &payload)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = chat.E(chat.NotFound, "there is no dead command %d", id)
	}
	return r.dead(), payload, err
}

// DropDead deletes those of the ids that are there, or all if none is named, and counts them.
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
