package operator

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// Server is a MySQL server and the name of an installation's database on it.
type Server struct {
	pool *sql.DB
	name string
}

// Open opens a connection to the primary that the options name. It doesn't dial: an unreachable server shows at the
// first question.
func Open(o db.Options) (*Server, error) {
	raw, err := db.OpenServer(o)
	if err != nil {
		return nil, err
	}
	return &Server{pool: raw, name: o.DBName}, nil
}

// Name is the database's.
func (s *Server) Name() string { return s.name }

// Close closes the connection.
func (s *Server) Close() error { return s.pool.Close() }

// table names a table of the installation.
func (s *Server) table(name string) string { return quoted(s.name) + "." + name }

func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// failed translates an error of the driver: whatever it is, an operator repairs the cause and asks again.
func failed(question string, err error) error {
	switch {
	case err == nil:
		return nil
	case noSchema(err):
		return chat.Wrap(chat.Unavailable, fmt.Errorf("%s: %w: run chatctl migrate", question, err), "the schema is missing")
	default:
		return chat.Wrap(chat.Unavailable, fmt.Errorf("%s: %w", question, err), "")
	}
}

func noSchema(err error) bool {
	n := db.Number(err)
	return n == db.NoSuchTable || n == db.NoSuchDatabase
}

// one asks for one row.
func (s *Server) one(ctx context.Context, question, q string, args []any, into ...any) error {
	return failed(question, s.pool.QueryRowContext(ctx, q, args...).Scan(into...))
}

// each asks for many rows and hands each to fn, to be scanned.
func (s *Server) each(ctx context.Context, question, q string, args []any, fn func(scan func(into ...any) error) error) (err error) {
	rows, err := s.pool.QueryContext(ctx, q, args...)
	if err != nil {
		return failed(question, err)
	}
	defer func() { err = failed(question, errors.Join(err, rows.Close())) }()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Exists reports whether the database is there.
func (s *Server) Exists(ctx context.Context) (bool, error) {
	var n int
	err := s.one(ctx, "look for the database",
		"SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?", []any{s.name}, &n)
	return n > 0, err
}

// Create creates the database if it is missing. Forbidden if the account may not; the error says what to do.
func (s *Server) Create(ctx context.Context) error {
	made := quoted(s.name) + " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
	_, err := s.pool.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+made)
	if db.Number(err) == db.DatabaseDenied {
		return chat.Wrap(chat.Forbidden, err, "this account may not create a database: have another one create it (CREATE DATABASE "+made+
			"), or set CHAT_DATABASE_USER to one that may")
	}
	return failed("create the database", err)
}

// Migration is one applied step of the schema.
type Migration struct {
	Version int64     `json:"version"`
	Applied time.Time `json:"applied_at"`
}

// Migrations lists the applied steps in their order, none if there is no schema yet.
func (s *Server) Migrations(ctx context.Context) (ms []Migration, err error) {
	err = s.each(ctx, "list migrations", "SELECT version_id, tstamp FROM "+s.table("goose_db_version")+
		" WHERE is_applied AND version_id > 0 ORDER BY id", nil,
		func(scan func(...any) error) error {
			var m Migration
			err := scan(&m.Version, &m.Applied)
			ms = append(ms, m)
			return err
		})
	if noSchema(err) {
		return nil, nil
	}
	return ms, err
}

// Partitions is the number that the installation was made with; 0 if no process has run yet. Unlike Store.Partitions it
// records nothing. Conflict while a command changes the installation.
func (s *Server) Partitions(ctx context.Context) (n int, err error) {
	r, err := s.Recorded(ctx)
	if err == nil {
		err = r.Busy()
	}
	return r.Partitions, err
}

// Backlog is how many announcements wait, and how old the oldest is by the server's clock.
func (s *Server) Backlog(ctx context.Context) (n int64, age time.Duration, err error) {
	var us int64
	err = s.one(ctx, "look at the outbox",
		"SELECT COUNT(*), COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(created_at), UTC_TIMESTAMP(6)), 0) FROM "+s.table("outbox"), nil, &n, &us)
	return n, time.Duration(us) * time.Microsecond, err
}
