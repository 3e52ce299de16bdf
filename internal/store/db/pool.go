package db

import (
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// pool is the connections to one server: up to MaxOpen, and up to four more for scripts, which alone may send several
// statements at once. Safe for use by many goroutines.
type pool struct {
	g       *gorm.DB
	db      *sql.DB
	scripts *sql.DB  // whose connections take several statements at once
	primary *primary // nil: a replica's
	hooks   Hooks
}

// maxScripts bounds the connections for scripts; whoever finds none free waits.
const maxScripts = 4

// open makes the pool of one server. It doesn't dial: an unreachable server shows at the first statement.
func (o Options) open(addr string, primary *primary) (*pool, error) {
	c := o.driverConfig(addr)
	if primary != nil {
		c.DialFunc = primary.dial
	}
	db, err := dial(c, primary)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(max(o.MaxOpen, 0))
	db.SetMaxIdleConns(o.MaxIdle)
	db.SetConnMaxLifetime(o.ConnMaxLifetime)
	db.SetConnMaxIdleTime(o.ConnMaxIdleTime)
	g, err := gorm.Open(gormmysql.New(gormmysql.Config{
		Conn: db,
		// The version is not asked for, and RETURNING never used: the same SQL must run on MariaDB and MySQL.
		SkipInitializeWithVersion: true,
		DisableWithReturning:      true,
	}), &gorm.Config{
		Logger:                 logger.Discard,
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		NowFunc:                func() time.Time { return Micros(o.Now()) },
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	many := c.Clone()
	many.MultiStatements = true
	scripts, err := dial(many, primary)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	scripts.SetMaxOpenConns(maxScripts)
	scripts.SetMaxIdleConns(maxScripts)
	scripts.SetConnMaxLifetime(o.ConnMaxLifetime)
	scripts.SetConnMaxIdleTime(o.ConnMaxIdleTime)
	return &pool{g: g, db: db, scripts: scripts, primary: primary, hooks: o.Hooks}, nil
}

// dial makes a bare pool of database/sql; primary: only to a server that takes writes.
func dial(c *mysql.Config, primary *primary) (*sql.DB, error) {
	conn, err := newConnector(c)
	if err != nil {
		return nil, err
	}
	if primary != nil {
		return sql.OpenDB(primaryConnector{conn, primary}), nil
	}
	return sql.OpenDB(conn), nil
}

// Stats counts the connections, those for scripts among them, and the waits for one.
func (p *pool) Stats() sql.DBStats {
	a, b := p.db.Stats(), p.scripts.Stats()
	return sql.DBStats{
		MaxOpenConnections: a.MaxOpenConnections + b.MaxOpenConnections,
		OpenConnections:    a.OpenConnections + b.OpenConnections, InUse: a.InUse + b.InUse, Idle: a.Idle + b.Idle,
		WaitCount: a.WaitCount + b.WaitCount, WaitDuration: a.WaitDuration + b.WaitDuration,
	}
}

// Close closes the pool, after the statements in flight. Connections that primary has closed before are no error; the driver's has no name.
func (p *pool) Close() error {
	var errs []error
	for _, pool := range []*sql.DB{p.db, p.scripts} {
		if err := pool.Close(); err != nil && !strings.HasSuffix(err.Error(), "bad connection") {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
