package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// Server error numbers of an administrator without the right to make users.
const (
	erNeedsPrivilege = 1227
	erGrantDenied    = 1142
	erNoGrantOption  = 1410
)

// Grant makes the account, sets its password, gives it its role's rights, and then takes those away that the role doesn't need: a process
// that is running meanwhile never lacks one. The tables must exist.
func (s *Server) Grant(ctx context.Context, a Account, password string) error {
	if err := errors.Join(plain("user name", a.Name), plain("host", a.From), plain("password", password)); err != nil {
		return err
	}
	statements := append([]string{
		"CREATE USER IF NOT EXISTS " + a.String() + " IDENTIFIED BY " + literal(password),
		"ALTER USER " + a.String() + " IDENTIFIED BY " + literal(password),
	}, a.Grants(s.name)...)
	for _, q := range statements {
		if _, err := s.pool.ExecContext(ctx, q); err != nil {
			return s.refusedGrant(a, err)
		}
	}
	excess, err := s.excess(ctx, a)
	if err != nil {
		return err
	}
	for _, q := range excess {
		if _, err := s.pool.ExecContext(ctx, q); err != nil {
			return s.refusedGrant(a, err)
		}
	}
	return nil
}

// refusedGrant translates an error of a statement that must not be shown: it contains a password.
func (s *Server) refusedGrant(a Account, err error) error {
	switch db.Number(err) {
	case erNeedsPrivilege, erGrantDenied, erNoGrantOption, db.DatabaseDenied:
		return chat.Wrap(chat.Forbidden, err, "the database's user may not make users: set CHAT_DATABASE_USER to an administrator")
	case db.NoSuchTable, db.NoSuchDatabase:
		return chat.Wrap(chat.Unavailable, fmt.Errorf("grant rights to %s: %w: run chatctl migrate first", a.Name, err), "the schema is missing")
	}
	return failed("grant rights to "+a.Name, err)
}

// excess lists the statements that take away what the account has and its role doesn't need.
func (s *Server) excess(ctx context.Context, a Account) (qs []string, err error) {
	for _, look := range []struct{ from, schema, table, column string }{
		{"user_privileges", "''", "''", "''"},
		{"schema_privileges", "table_schema", "''", "''"},
		{"table_privileges", "table_schema", "table_name", "''"},
		{"column_privileges", "table_schema", "table_name", "column_name"},
	} {
		q := "SELECT privilege_type, " + look.schema + ", " + look.table + ", " + look.column +
			" FROM information_schema." + look.from + " WHERE grantee = ? AND privilege_type <> 'USAGE'"
		err := s.each(ctx, "read rights", q, []any{a.String()}, func(scan func(...any) error) error {
			var f found
			err := scan(&f.verb, &f.schema, &f.table, &f.column)
			if err == nil && !f.needed(a.Role, s.name) {
				qs = append(qs, f.revoke(a))
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return qs, nil
}

// plain refuses what could end a quoted string early under some sql_mode.
func plain(what, text string) error {
	if text == "" || strings.ContainsAny(text, "\\\x00\r\n") {
		return chat.E(chat.Invalid, "%s: must not be empty or contain backslashes or line ends", what)
	}
	return nil
}
