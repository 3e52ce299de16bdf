package operator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/accounts"
	"chat-service/internal/store/db"
	"chat-service/internal/store/outbox"
	"chat-service/internal/store/schema"
	"chat-service/internal/store/table"
)

// Store is what belongs to the installation as a whole: its schema and settings, the fleet of workers, and what
// operators look up, count and repair.
type Store struct {
	d      *db.DB
	outbox *outbox.Store
	people *accounts.Store
}

// New opens the store over d.
func New(d *db.DB) *Store { return &Store{d, outbox.New(d), accounts.New(d)} }

// fillAtOnce accounts get their skeletons in one transaction.
const fillAtOnce = 500

// Migrate brings the schema up to this program's version; several processes may do so at once. It also fills in what only a program can
// compute.
func (s *Store) Migrate(ctx context.Context) error {
	raw, err := s.d.DialPatient()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := errors.Join(schema.Up(ctx, raw), raw.Close()); err != nil {
		return err
	}
	for n := fillAtOnce; n == fillAtOnce; {
		if n, err = s.people.FillSkeletons(ctx, fillAtOnce); err != nil {
			return err
		}
	}
	return nil
}

// SchemaReady returns an error unless the schema is at least as new as this program: it says what to run.
func (s *Store) SchemaReady(ctx context.Context) error {
	return s.d.Judge(schema.Ready(ctx, s.d.SQL()))
}

// Ready is SchemaReady, and checks that the server takes writes, that the number of partitions is still this one, and that the server's limits
// leave room for what the service sends.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.SchemaReady(ctx); err != nil {
		return err
	}
	if err := s.d.TakesWrites(ctx); err != nil {
		return err
	}
	if err := s.agree(ctx); err != nil {
		return err
	}
	var packet int64
	if err := s.d.SQL().QueryRowContext(ctx, "SELECT @@GLOBAL.max_allowed_packet").Scan(&packet); err != nil {
		return db.Failed("read the server's limits", err)
	}
	return s.roomFor(packet)
}

// roomFor judges max_allowed_packet.
func (s *Store) roomFor(packet int64) error {
	if packet < PacketMin {
		err := chat.E(chat.Unavailable, "max_allowed_packet is %d, below %d: a batch of long messages does not fit", packet, PacketMin)
		return s.d.Lasting(err, PacketDo)
	}
	return nil
}

// PacketMin is the max_allowed_packet below which no process works: a full batch of the longest messages that a socket can send must
// fit into one statement.
const PacketMin = 8 << 20

// PacketDo says what to do about a smaller one.
const PacketDo = "SET GLOBAL max_allowed_packet=67108864, and the same in the server's configuration file"

// AwaitReady waits until Ready is, and logs what is missing when that changes; then it agrees with the installation on the number of
// partitions: Conflict if that has another one. ctx ends the wait.
func (s *Store) AwaitReady(ctx context.Context) error {
	said := ""
	for {
		err := s.Ready(ctx)
		if err == nil || chat.KindOf(err) == chat.Conflict {
			err = s.Partitions(ctx, s.d.Partitions())
		}
		if err == nil || chat.KindOf(err) == chat.Conflict {
			return err
		}
		if text := err.Error(); text != said {
			said = text
			s.d.Log().WarnContext(ctx, "waiting for mysql", "err", err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// Partitions checks that the installation has want partitions, or records it if nobody has yet. Rows carry
// their partition, so a process with another number must not work: Conflict.
func (s *Store) Partitions(ctx context.Context, want int) error {
	have, err := s.meta(ctx, "partitions", strconv.Itoa(want))
	if err != nil {
		return err
	}
	if have != strconv.Itoa(want) {
		if r, err := recordedOf(have); err == nil && r.Busy() != nil {
			return r.Busy()
		}
		return chat.E(chat.Conflict, "this installation has %s partitions, this process is configured for %d", have, want)
	}
	return nil
}

// InstallationID returns a name that no other installation has, made at the first call.
func (s *Store) InstallationID(ctx context.Context) (string, error) {
	return s.meta(ctx, "installation_id", rand.Text())
}

// meta returns what is recorded under key, recording first if nothing is. Of several first calls one wins.
func (s *Store) meta(ctx context.Context, key, first string) (string, error) {
	var found []table.Setting
	err := s.d.Tx(ctx, "read meta", db.Repeatable, func(tx db.Tx) (err error) {
		found, err = table.Meta.Find(tx.Where("k = ?", key))
		if err != nil || len(found) > 0 {
			return err
		}
		if _, err := table.Meta.Create(tx.DB, &table.Setting{Key: key, Value: first}); err != nil && !db.Duplicate(err, "") {
			return err
		}
		found, err = table.Meta.Find(tx.Where("k = ?", key))
		return err
	})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("read meta: %s is missing", key)
	}
	if err != nil {
		return "", err
	}
	return found[0].Value, nil
}
