package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"gorm.io/gorm"

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
	err := d.p.Tx(ctx, "read meta", db.Repeatable, func(g *gorm.DB) error {
		read := func() error { return g.Raw("SELECT v FROM meta WHERE k = ?", key).Scan(&v).Error }
		if err := read(); err != nil || len(v) > 0 {
			return err
		}
		if err := g.Exec("INSERT INTO meta (k, v) VALUES (?, ?)", key, first).Error; err != nil && !db.Duplicate(err, "") {
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
	return d.p.Tx(ctx, "quarantine", db.Once, func(g *gorm.DB) error { return quarantine(g, c, d.now()) })
}

func quarantine(g *gorm.DB, c chat.DeadCommand, now time.Time) error {
	payload := append([]byte{}, c.Payload...) // never nil: that would be NULL
	return g.Exec("INSERT INTO dead_commands (partition_no, kind, user_id, room_id, payload, reason, created_at) VALUES (?,?,?,?,?,?,?)",
		c.Partition, c.Kind, c.User, c.Room, payload, c.Reason, now).Error
}
