package db

import (
	"database/sql"
	"errors"
	"strings"
)

// Again repeats what is there, behind a comma.
func (s *Statement) Again() { s.Add(","+s.text.String(), s.args...) }

// Exec runs it and returns the number of rows it met. Like Each it goes past gorm's builder straight to gorm's
// connection: the builder takes a []byte behind a parenthesis for a list of numbers, silently.
func (s *Statement) Exec(tx Tx) (int64, error) {
	res, err := tx.Statement.ConnPool.ExecContext(tx.Statement.Context, s.text.String(), s.args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Each runs it and calls fn for every row, to be scanned by hand: this is the hot path.
func (s *Statement) Each(tx Tx, fn func(*sql.Rows) error) (err error) {
	rows, err := tx.Statement.ConnPool.QueryContext(tx.Statement.Context, s.text.String(), s.args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Scan runs it and fills dest, a slice or a struct.
func (s *Statement) Scan(tx Tx, dest any) error {
	return tx.Raw(s.text.String(), s.args...).Scan(dest).Error
}

// Collect runs the statement and returns its rows. cells gives the places that a row is scanned into; it is called
// once, and every row goes through the same R.
func Collect[R any](tx Tx, q *Statement, cells func(*R) []any) (found []R, err error) {
	var r R
	into := cells(&r)
	err = q.Each(tx, func(rows *sql.Rows) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		found = append(found, r)
		return nil
	})
	return found, err
}

// LikePrefix is the LIKE pattern for texts that begin with s, taken literally.
func LikePrefix(s string) string { return likeEscaper.Replace(s) + "%" }

// LikeAny is the pattern for s anywhere in a text.
func LikeAny(s string) string { return "%" + likeEscaper.Replace(s) + "%" }

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
