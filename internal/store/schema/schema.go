// Package schema keeps the tables' definitions, as goose migrations in the binary, and brings a database up to them.
package schema

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// The lock is asked for every half second, for five minutes: a migration of a large table takes a while.
const (
	lockEvery  = 500 * time.Millisecond
	lockProbes = 600
)

// Up brings the schema up to this program's version. Several processes may call it at once: a lock row lets one of
// them work while the others wait for it. Statements may take as long as ctx and raw's timeouts let them.
func Up(ctx context.Context, raw *sql.DB) error {
	locker, err := lock.NewMySQLTableLocker(lock.WithTableLockTimeout(lockEvery, lockProbes))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	p, err := provider(raw, goose.WithLocker(locker))
	if err == nil {
		_, err = p.Up(ctx)
	}
	return db.Failed("migrate", err)
}

// Ready returns an error unless the schema is at least as new as this program; it says what to run.
func Ready(ctx context.Context, raw *sql.DB) error {
	p, err := provider(raw)
	if err != nil {
		return err
	}
	var want int64
	for _, s := range p.ListSources() {
		want = max(want, s.Version)
	}
	var have sql.NullInt64
	err = raw.QueryRowContext(ctx, "SELECT MAX(version_id) FROM goose_db_version WHERE is_applied").Scan(&have)
	if err != nil && db.Number(err) != db.NoSuchTable {
		return db.Failed("check the schema", err)
	}
	if have.Int64 < want {
		return chat.Wrap(chat.Unavailable, fmt.Errorf("schema is at version %d, this program needs %d: run chatctl migrate", have.Int64, want),
			"the database isn't ready")
	}
	return nil
}

func provider(raw *sql.DB, opts ...goose.ProviderOption) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("find migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectMySQL, raw, dir, opts...)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, nil
}
