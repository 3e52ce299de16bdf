package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// connector opens connections that run at READ COMMITTED from the start: said once per connection instead of once
// per transaction, it saves a round trip in each of them. The statement, unlike the variable, has the same
// name on MariaDB and MySQL.
type connector struct{ driver.Connector }

func newConnector(c *mysql.Config) (connector, error) {
	inner, err := mysql.NewConnector(c)
	return connector{inner}, err
}

// Connect dials and sets the isolation level.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	ex, ok := conn.(driver.ExecerContext)
	if !ok {
		return nil, errors.Join(errors.New("mysql driver can't exec on a bare connection"), conn.Close())
	}
	if _, err := ex.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", nil); err != nil {
		return nil, errors.Join(fmt.Errorf("set isolation level: %w", err), conn.Close())
	}
	return conn, nil
}

// OpenPatientServer is OpenServer for statements that take as long as they need.
func OpenPatientServer(o Options) (*sql.DB, error) {
	c := o.withDefaults().serverConfig()
	c.ReadTimeout = 0
	return openServer(c)
}

// OpenServer makes a pool of one connection to the primary for an operator's questions: nothing is set on the
// connection, and no database chosen. It doesn't dial.
func OpenServer(o Options) (*sql.DB, error) { return openServer(o.serverConfig()) }

func openServer(config *mysql.Config) (*sql.DB, error) {
	c, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("database settings: %w", err)
	}
	pool := sql.OpenDB(c)
	pool.SetMaxOpenConns(1)
	return pool, nil
}
