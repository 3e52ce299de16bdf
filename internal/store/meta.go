package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// Partitions checks that the installation has want partitions, or records it where nobody has yet. Rows carry
// their partition, so a process with another number must not work: Conflict.
func (d *DB) Partitions(ctx context.Context, want int) error {
	have, err := d.meta(ctx, "partitions", strconv.Itoa(want))
	if err != nil {
		return err
	}
	if have != strconv.Itoa(want) {
		return chat.E(chat.Conflict, "this installation has %s partitions, this process is configured for %d", have, want)
	}
	return nil
}

// InstallationID returns a name that no other installation has, made at the first call.
func (d *DB) InstallationID(ctx context.Context) (string, error) {
	return d.meta(ctx, "installation_id", rand.Text())
}

// meta returns what is recorded under key, recording first where nothing is. Of several first calls one wins.
func (d *DB) meta(ctx context.Context, key, first string) (string, error) {
	var v []string
	err := d.Tx(ctx, "read meta", db.Repeatable, func(tx db.Tx) error {
		read := func() error { return tx.Raw("SELECT v FROM meta WHERE k = ?", key).Scan(&v).Error }
		if err := read(); err != nil || len(v) > 0 {
			return err
		}
		if err := tx.Exec("INSERT INTO meta (k, v) VALUES (?, ?)", key, first).Error; err != nil && !db.Duplicate(err, "") {
			return err
		}
		return read()
	})
	if err == nil && len(v) == 0 {
		err = fmt.Errorf("read meta: %s has gone", key)
	}
	if err != nil {
		return "", err
	}
	return v[0], nil
}

// Quarantine keeps a command that can't be carried out.
func (d *DB) Quarantine(ctx context.Context, c chat.DeadCommand) error {
	return d.Tx(ctx, "quarantine", db.Once, func(tx db.Tx) error { return quarantine(tx, c, d.Now()) })
}

func quarantine(tx db.Tx, c chat.DeadCommand, now time.Time) error {
	payload := append([]byte{}, c.Payload...) // never nil: that would be NULL
	return tx.Exec("INSERT INTO dead_commands (partition_no, kind, user_id, room_id, payload, reason, created_at) VALUES (?,?,?,?,?,?,?)",
		c.Partition, c.Kind, c.User, c.Room, payload, c.Reason, now).Error
}
