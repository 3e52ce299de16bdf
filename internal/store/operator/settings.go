package operator

import (
	"context"
	"strings"
	"time"
)

// Version is the server's own name of its version, such as 10.11.6-MariaDB.
func (s *Server) Version(ctx context.Context) (v string, err error) {
	err = s.one(ctx, "ask for the version", "SELECT VERSION()", nil, &v)
	return v, err
}

// Variables reads the server's global settings, by name in lower case; unknown ones are missing from the map.
func (s *Server) Variables(ctx context.Context, names ...string) (map[string]string, error) {
	vars := map[string]string{}
	if len(names) == 0 {
		return vars, nil
	}
	err := s.each(ctx, "read settings", "SHOW GLOBAL VARIABLES WHERE variable_name IN ("+marks(len(names))+")", list(names),
		func(scan func(...any) error) error {
			var name, value string
			err := scan(&name, &value)
			vars[strings.ToLower(name)] = value
			return err
		})
	return vars, err
}

// Skew is how far the server's clock is ahead of this machine's, within the time of one round trip.
func (s *Server) Skew(ctx context.Context) (time.Duration, error) {
	if err := s.one(ctx, "ask for the time", "SELECT 1", nil, new(int)); err != nil {
		return 0, err // dialled now: that must not count as a part of the round trip
	}
	var there time.Time
	before := time.Now()
	err := s.one(ctx, "ask for the time", "SELECT UTC_TIMESTAMP(6)", nil, &there)
	return there.Sub(before.Add(time.Since(before) / 2)), err
}

// ReadCommitted returns why no transaction may run at READ COMMITTED, nil if one may.
func (s *Server) ReadCommitted(ctx context.Context) error {
	if _, err := s.pool.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"); err != nil {
		return failed("set the isolation level", err)
	}
	tx, err := s.pool.BeginTx(ctx, nil)
	if err == nil {
		err = tx.Rollback()
	}
	return failed("begin a transaction", err)
}

// StrangeColumns counts text columns whose collation is not one that the migrations name, and names one of them with
// its table and collation.
func (s *Server) StrangeColumns(ctx context.Context) (n int, example string, err error) {
	err = s.one(ctx, "look at collations", "SELECT COUNT(*), COALESCE(MIN(CONCAT(table_name, '.', column_name, ' ', collation_name)), '')"+
		" FROM information_schema.columns WHERE table_schema = ? AND collation_name NOT IN ('utf8mb4_bin', 'ascii_bin') AND table_name NOT LIKE 'goose%'",
		[]any{s.name}, &n, &example)
	return n, example, err
}

// marks is n question marks.
func marks(n int) string { return "?" + strings.Repeat(",?", n-1) }

func list[T any](vs []T) []any {
	args := make([]any, len(vs))
	for i, v := range vs {
		args[i] = v
	}
	return args
}
