package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"chat-service/internal/chat"
)

//go:embed migrations/*.sql
var migrations embed.FS

// The lock is asked for every half second, for five minutes: a migration of a large table takes a while.
const (
	lockEvery  = 500 * time.Millisecond
	lockProbes = 600
)

// Migrate brings the schema up to this program's version. Several processes may call it at once: a lock row lets
// one of them work while the others wait for it. Statements may take as long as ctx lasts.
func (d *DB) Migrate(ctx context.Context) error {
	o := d.o
	o.ReadTimeout = 0
	c, err := newConnector(o.driverConfig(o.primary()))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	pool := sql.OpenDB(c)
	locker, err := lock.NewMySQLTableLocker(lock.WithTableLockTimeout(lockEvery, lockProbes))
	if err != nil {
		return errors.Join(fmt.Errorf("migrate: %w", err), pool.Close())
	}
	p, err := provider(pool, goose.WithLocker(locker))
	if err == nil {
		_, err = p.Up(ctx)
	}
	return failed("migrate", errors.Join(err, pool.Close()))
}

// SchemaReady tells whether the schema is at least as new as this program: the error says what to run.
func (d *DB) SchemaReady(ctx context.Context) error {
	pool, err := d.pool()
	if err != nil {
		return err
	}
	p, err := provider(pool)
	if err != nil {
		return err
	}
	var want int64
	for _, s := range p.ListSources() {
		want = max(want, s.Version)
	}
	var have sql.NullInt64
	err = d.g.WithContext(ctx).Raw("SELECT MAX(version_id) FROM goose_db_version WHERE is_applied").Row().Scan(&have)
	if err != nil && number(err) != erNoSuchTable {
		return failed("check the schema", err)
	}
	if have.Int64 < want {
		return chat.Wrap(chat.Unavailable, fmt.Errorf("schema is at version %d, this program needs %d: run chatctl migrate", have.Int64, want),
			"the database isn't ready")
	}
	return nil
}

func provider(pool *sql.DB, opts ...goose.ProviderOption) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("find migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectMySQL, pool, dir, opts...)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, nil
}
