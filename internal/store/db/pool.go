package db

import (
	"database/sql"
	"errors"
	"time"

	"github.com/go-sql-driver/mysql"
	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Size bounds a pool. Zero means no bound, for MaxIdle none idle.
type Size struct {
	MaxOpen, MaxIdle     int
	Lifetime, IdleExpiry time.Duration
}

// Hooks are called as things happen, for metrics. Nil ones are skipped; they must not block.
type Hooks struct {
	Tx    func(verb string, took time.Duration, err error) // a transaction has ended, with all its retries
	Retry func(verb, why string)                           // it is about to run again
}

// Pool is the connections to one server: up to Size.MaxOpen, and up to four more for scripts, which alone may send several
// statements at once. Safe for use by many goroutines.
type Pool struct {
	g       *gorm.DB
	db      *sql.DB
	scripts *sql.DB // whose connections take several statements at once
	hooks   Hooks
}

// maxScripts bounds the connections for scripts; whoever finds none free waits.
const maxScripts = 4

// Open makes a pool. It doesn't dial: an unreachable server shows at the first statement.
func Open(c *mysql.Config, size Size, now func() time.Time, h Hooks) (*Pool, error) {
	db, err := Dialer(c)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(max(size.MaxOpen, 0))
	db.SetMaxIdleConns(size.MaxIdle)
	db.SetConnMaxLifetime(size.Lifetime)
	db.SetConnMaxIdleTime(size.IdleExpiry)
	g, err := gorm.Open(gormmysql.New(gormmysql.Config{
		Conn: db,
		// The version is not asked for, and RETURNING never used: the same SQL must run on MariaDB and MySQL.
		SkipInitializeWithVersion: true,
		DisableWithReturning:      true,
	}), &gorm.Config{
		Logger:                 logger.Discard,
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		NowFunc:                now,
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	many := c.Clone()
	many.MultiStatements = true
	scripts, err := Dialer(many)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	scripts.SetMaxOpenConns(maxScripts)
	scripts.SetMaxIdleConns(maxScripts)
	scripts.SetConnMaxLifetime(size.Lifetime)
	scripts.SetConnMaxIdleTime(size.IdleExpiry)
	return &Pool{g: g, db: db, scripts: scripts, hooks: h}, nil
}

// Dialer is the bare pool of database/sql, for what doesn't go through gorm.
func Dialer(c *mysql.Config) (*sql.DB, error) {
	conn, err := newConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(conn), nil
}

// Stats counts the connections, those for scripts among them, and the waits for one.
func (p *Pool) Stats() sql.DBStats {
	a, b := p.db.Stats(), p.scripts.Stats()
	return sql.DBStats{
		MaxOpenConnections: a.MaxOpenConnections + b.MaxOpenConnections,
		OpenConnections:    a.OpenConnections + b.OpenConnections, InUse: a.InUse + b.InUse, Idle: a.Idle + b.Idle,
		WaitCount: a.WaitCount + b.WaitCount, WaitDuration: a.WaitDuration + b.WaitDuration,
	}
}

// DB is the pool underneath.
func (p *Pool) DB() *sql.DB { return p.db }

// Gorm is gorm over the pool.
func (p *Pool) Gorm() *gorm.DB { return p.g }

// Close closes the pool, after the statements in flight.
func (p *Pool) Close() error { return errors.Join(p.db.Close(), p.scripts.Close()) }
