package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"chat-service/internal/store"
)

// database asks what no verb of the store answers: about the server itself, and for a database that is not there yet.
type database struct {
	pool *sql.DB
	name string
}

// openDatabase prepares connections to the server; no database is chosen, since it may be missing.
func openDatabase(o store.Options) (*database, error) {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.TLS = o.User, o.Password, o.TLS
	c.Net, c.Addr = "tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.Port))
	c.Collation, c.ParseTime, c.Loc, c.InterpolateParams = "utf8mb4_bin", true, time.UTC, true
	c.Timeout, c.ReadTimeout, c.WriteTimeout = o.Timeout, o.ReadTimeout, o.WriteTimeout
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("database settings: %w", err)
	}
	d := &database{pool: sql.OpenDB(connector), name: o.DBName}
	d.pool.SetMaxOpenConns(1) // session settings must hold for the next question
	return d, nil
}

func (d *database) close() error { return d.pool.Close() }

// table names a table of the installation.
func (d *database) table(name string) string { return quoted(d.name) + "." + name }

func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// exists tells whether the database is there.
func (d *database) exists(ctx context.Context) (bool, error) {
	var n int
	err := d.pool.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?", d.name).Scan(&n)
	return n > 0, err
}

// create makes the database where it is missing.
func (d *database) create(ctx context.Context) error {
	_, err := d.pool.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+quoted(d.name)+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	return err
}

// migration is one applied step of the schema.
type migration struct {
	Version int64     `json:"version"`
	Applied time.Time `json:"applied_at"`
}

// migrations lists the applied steps, none where there is no schema yet.
func (d *database) migrations(ctx context.Context) (ms []migration, err error) {
	rows, err := d.pool.QueryContext(ctx, "SELECT version_id, tstamp FROM "+d.table("goose_db_version")+" WHERE is_applied AND version_id > 0 ORDER BY id") //nolint:gosec // quoted by table
	if refused(err, erNoSuchTable) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var m migration
		if err := rows.Scan(&m.Version, &m.Applied); err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, rows.Err()
}

// partitions is the number that the installation was made with; 0 where no process has run yet.
func (d *database) partitions(ctx context.Context) (int, error) {
	var text string
	err := d.pool.QueryRowContext(ctx, "SELECT v FROM "+d.table("meta")+" WHERE k = 'partitions'").Scan(&text)
	if errors.Is(err, sql.ErrNoRows) || refused(err, erNoSuchTable) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// variables reads the server's settings by name; unknown ones are missing from the map.
func (d *database) variables(ctx context.Context, names ...string) (vars map[string]string, err error) {
	args := make([]any, len(names))
	for i, n := range names {
		args[i] = n
	}
	rows, err := d.pool.QueryContext(ctx, "SHOW GLOBAL VARIABLES WHERE variable_name IN (?"+strings.Repeat(",?", len(names)-1)+")", args...) //nolint:gosec // question marks
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	vars = map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		vars[strings.ToLower(name)] = value
	}
	return vars, rows.Err()
}

// version is the server's own name of its version.
func (d *database) version(ctx context.Context) (v string, err error) {
	err = d.pool.QueryRowContext(ctx, "SELECT VERSION()").Scan(&v)
	return v, err
}

// skew is how far the server's clock is ahead of this machine's, as far as one round trip can tell.
func (d *database) skew(ctx context.Context) (time.Duration, error) {
	var there time.Time
	before := time.Now()
	err := d.pool.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&there)
	return there.Sub(before.Add(time.Since(before) / 2)), err
}

// readCommitted tells whether a transaction may run at READ COMMITTED.
func (d *database) readCommitted(ctx context.Context) error {
	if _, err := d.pool.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"); err != nil {
		return err
	}
	tx, err := d.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	return tx.Rollback()
}

// strangeColumns counts text columns whose collation is not the one that the migrations name.
func (d *database) strangeColumns(ctx context.Context) (n int, example string, err error) {
	err = d.pool.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(MIN(CONCAT(table_name, '.', column_name, ' ', collation_name)), '')"+
		" FROM information_schema.columns WHERE table_schema = ? AND collation_name NOT IN ('utf8mb4_bin', 'ascii_bin') AND table_name <> 'goose_db_version' AND table_name NOT LIKE 'goose%'",
		d.name).Scan(&n, &example)
	return n, example, err
}

// backlog is how many announcements wait, and how old the oldest is by the server's clock.
func (d *database) backlog(ctx context.Context) (n int64, age time.Duration, err error) {
	var us int64
	err = d.pool.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(created_at), UTC_TIMESTAMP(6)), 0) FROM "+d.table("outbox")).Scan(&n, &us)
	return n, time.Duration(us) * time.Microsecond, err
}

// erNoSuchTable and erBadDB are the server's numbers, the same on MariaDB and MySQL.
const (
	erNoSuchTable = 1146
	erBadDB       = 1049
)

func refused(err error, numbers ...uint16) bool {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return false
	}
	for _, n := range numbers {
		if e.Number == n {
			return true
		}
	}
	return false
}

// isDriver tells an error of server or connection from one of ours.
func isDriver(err error) bool {
	var e *mysql.MySQLError
	var n net.Error
	return errors.As(err, &e) || errors.As(err, &n) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, context.DeadlineExceeded)
}

// withDatabase opens the server for fn.
func (in *installation) withDatabase(fn func(d *database) error) error {
	o, err := in.storeOptions()
	if err != nil {
		return err
	}
	d, err := openDatabase(o)
	if err != nil {
		return err
	}
	return errors.Join(fn(d), d.close())
}

const deadColumns = "id, partition_no, kind, user_id, room_id, reason, created_at, LENGTH(payload)"

func (r *deadRow) fields() []any {
	return []any{&r.ID, &r.Partition, &r.Kind, &r.User, &r.Room, &r.Reason, &r.CreatedAt, &r.Bytes}
}

// dead lists the newest quarantined commands, and counts all.
func (d *database) dead(ctx context.Context, limit int) (list []deadRow, total int64, err error) {
	if err := d.pool.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+d.table("dead_commands")).Scan(&total); err != nil {
		return nil, 0, err
	}
	rows, err := d.pool.QueryContext(ctx, "SELECT "+deadColumns+" FROM "+d.table("dead_commands")+" ORDER BY id DESC LIMIT ?", limit) //nolint:gosec // quoted by table
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	list = []deadRow{}
	for rows.Next() {
		var r deadRow
		if err := rows.Scan(r.fields()...); err != nil {
			return nil, 0, err
		}
		list = append(list, r)
	}
	return list, total, rows.Err()
}

// deadOne reads one with its payload.
func (d *database) deadOne(ctx context.Context, id uint64) (r deadRow, payload []byte, err error) {
	err = d.pool.QueryRowContext(ctx, "SELECT "+deadColumns+", payload FROM "+d.table("dead_commands")+" WHERE id = ?", id).
		Scan(append(r.fields(), &payload)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("there is no dead command %d: chatctl dead list shows what there is", id)
	}
	return r, payload, err
}

// dropDead deletes those of the ids, or all where none is named, and counts them.
func (d *database) dropDead(ctx context.Context, ids []uint64) (int64, error) {
	q, args := "DELETE FROM "+d.table("dead_commands"), make([]any, len(ids)) //nolint:gosec // question marks
	if len(ids) > 0 {
		q += " WHERE id IN (?" + strings.Repeat(",?", len(ids)-1) + ")"
	}
	for i, id := range ids {
		args[i] = id
	}
	res, err := d.pool.ExecContext(ctx, q, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
