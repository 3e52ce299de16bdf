package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/schema"
)

// DB has all verbs.
type DB struct{ *db.DB }

// Options is db.Options.
type Options = db.Options

// Open makes the pools. It doesn't dial: an unreachable server shows at the first verb.
func Open(_ context.Context, o Options) (*DB, error) {
	d, err := db.Open(o)
	return &DB{d}, err
}

// Migrate brings the schema up to this program's version; several processes may do so at once. It has a pool of its
// own, because a migration may take longer than any other statement is given.
func (d *DB) Migrate(ctx context.Context) error {
	raw, err := d.DialPatient()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return errors.Join(schema.Up(ctx, raw), raw.Close())
}

// SchemaReady tells whether the schema is at least as new as this program: the error says what to run.
func (d *DB) SchemaReady(ctx context.Context) error { return schema.Ready(ctx, d.SQL()) }

// AwaitReady waits until the server answers and its schema is new enough, and says every second in the log what is missing;
// then it agrees with the installation on the number of partitions: Conflict where that has another one. ctx ends the wait.
func (d *DB) AwaitReady(ctx context.Context) error {
	for {
		err := d.SchemaReady(ctx)
		if err == nil {
			err = d.Partitions(ctx, d.DB.Partitions())
		}
		if err == nil || chat.KindOf(err) == chat.Conflict {
			return err
		}
		d.Log().WarnContext(ctx, "waiting for mysql", "err", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

func micros(t time.Time) time.Time { return db.Micros(t) }

// partition returns the room's partition in this installation.
func (d *DB) partition(room chat.RoomID) int { return room.Partition(d.DB.Partitions()) }

func setDefault[T comparable](p *T, v T) { *p = cmp.Or(*p, v) }
