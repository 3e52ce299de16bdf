package table

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"chat-service/internal/store/skeleton"
)

// Column is a column of a table whose rows are R.
type Column[R any] struct {
	Name string
	Cell func(r *R) Cell
	Auto bool // the server counts it up: an INSERT leaves it out
}

// Table is a table, or a view of some of its columns. It never changes.
type Table[R any] struct {
	name, alias string
	columns     []Column[R]
	list        string // Select's
	insert      string // Insert's
	marks       string // Marks'
}

// define makes a table. The alias is what statements that join it call it.
func define[R any](name, alias string, columns ...Column[R]) *Table[R] {
	t := &Table[R]{name: name, alias: alias, columns: columns}
	var list, insert []string
	for _, c := range columns {
		list = append(list, alias+"."+c.Name)
		if !c.Auto {
			insert = append(insert, c.Name)
		}
	}
	t.list = strings.Join(list, ", ")
	t.insert = "INSERT INTO " + name + " (" + strings.Join(insert, ", ") + ") VALUES "
	t.marks = "(?" + strings.Repeat(",?", max(len(insert)-1, 0)) + ")"
	return t
}

// Only is the table with some of its columns, in the given order. It panics if there is no such column: it is called
// when the program starts.
func (t *Table[R]) Only(names ...string) *Table[R] {
	columns := make([]Column[R], len(names))
	for i, n := range names {
		columns[i] = t.columns[t.index(n)]
	}
	return define(t.name, t.alias, columns...)
}

// Without is the table without some of its columns.
func (t *Table[R]) Without(names ...string) *Table[R] {
	columns := slices.Clone(t.columns)
	for _, n := range names {
		i := slices.IndexFunc(columns, func(c Column[R]) bool { return c.Name == n })
		t.index(n)
		columns = slices.Delete(columns, i, i+1)
	}
	return define(t.name, t.alias, columns...)
}

func (t *Table[R]) index(name string) int {
	i := slices.IndexFunc(t.columns, func(c Column[R]) bool { return c.Name == name })
	if i < 0 {
		panic("table " + t.name + " has no column " + name)
	}
	return i
}

// Select lists the columns, each behind the table's alias: "x.room_id, x.seq".
func (t *Table[R]) Select() string { return t.list }

// From names the table and its alias: "messages x".
func (t *Table[R]) From() string { return t.name + " " + t.alias }

// Cells are where Select's columns go, in its order. The same cells serve row after row: a NULL wipes what the row
// before left.
func (t *Table[R]) Cells(r *R) []any {
	cells := make([]any, len(t.columns))
	for i, c := range t.columns {
		cells[i] = c.Cell(r)
	}
	return cells
}

// Insert begins a statement whose rows are Marks: "INSERT INTO messages (room_id, …) VALUES ".
func (t *Table[R]) Insert() string { return t.insert }

// Marks is a row of question marks: "(?,?)".
func (t *Table[R]) Marks() string { return t.marks }

// Values are the arguments of Marks.
func (t *Table[R]) Values(r *R) []any {
	args := make([]any, 0, len(t.columns))
	for _, c := range t.columns {
		if !c.Auto {
			v, _ := c.Cell(r).Value() // a cell's never fails
			args = append(args, v)
		}
	}
	return args
}

// Map is the row by column names, as gorm's Create and Updates take it.
func (t *Table[R]) Map(r *R) map[string]any {
	m := make(map[string]any, len(t.columns))
	for _, c := range t.columns {
		if !c.Auto {
			m[c.Name], _ = c.Cell(r).Value()
		}
	}
	return m
}

// Find returns the rows that a gorm query over the table selects.
func (t *Table[R]) Find(q *gorm.DB) (found []R, err error) {
	rows, err := q.Table(t.From()).Select(t.list).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var r R
	cells := t.Cells(&r)
	for rows.Next() {
		if err := rows.Scan(cells...); err != nil {
			return nil, fmt.Errorf("scan a row of %s: %w", t.name, err)
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

// Create inserts the row through gorm and returns the number that the server gave it, 0 if it counts none.
func (t *Table[R]) Create(tx *gorm.DB, r *R) (id uint64, err error) {
	m := t.Map(r)
	if err := tx.Table(t.name).Create(m).Error; err != nil {
		return 0, err
	}
	n, _ := m["@id"].(int64)
	return uint64(n), nil
}

// Listed is a table's name and all of its columns.
type Listed struct {
	Name    string
	Columns []string
}

func (t *Table[R]) listed() Listed {
	l := Listed{Name: t.name}
	for _, c := range t.columns {
		l.Columns = append(l.Columns, c.Name)
	}
	return l
}

// Cell is a field of a noun as database/sql sees it: it takes what a row holds, and gives what a write needs.
type Cell interface {
	sql.Scanner
	driver.Valuer
}

// The cells. Each is a noun's field under another type; NULL is its zero value.
type (
	number     uint64
	nullNumber uint64 // NULL if zero
	count      int
	text       string // never NULL
	nullText   string // NULL if empty
	bytes      string // a VARBINARY: no collation folds it; NULL if empty
	blob       []byte // never NULL
	hash       [HashLen]byte
	digest     [32]byte // SHA-256
	flag       bool
	moment     time.Time // NULL if zero
	folded     string    // written as SearchKey of the field; what is read is dropped
	looks      string    // written as the skeleton of the field; what is read is dropped
	minute     time.Time // written as UnixMinute of the field; what is read is dropped
)

// Number is the cell of a number that a statement computes.
func Number(n *uint64) Cell { return (*number)(n) }

// HashLen bytes are kept of a hash that tells bodies apart.
const HashLen = 16

// Scan implements sql.Scanner.
func (n *number) Scan(src any) (err error) {
	switch v := src.(type) {
	case nil:
		*n = 0
	case uint64:
		*n = number(v)
	case int64:
		*n = number(v)
	case []byte:
		var u uint64
		u, err = strconv.ParseUint(string(v), 10, 64)
		*n = number(u)
	default:
		err = fmt.Errorf("scan %T as a number", src)
	}
	return err
}

// Value implements driver.Valuer. The driver takes a uint64 although database/sql by itself doesn't.
func (n *number) Value() (driver.Value, error) { return uint64(*n), nil }

// Scan implements sql.Scanner.
func (n *nullNumber) Scan(src any) error { return (*number)(n).Scan(src) }

// Value implements driver.Valuer.
func (n *nullNumber) Value() (driver.Value, error) {
	if *n == 0 {
		return nil, nil
	}
	return uint64(*n), nil
}

// Scan implements sql.Scanner.
func (c *count) Scan(src any) error {
	var n number
	err := n.Scan(src)
	*c = count(n)
	return err
}

// Value implements driver.Valuer.
func (c *count) Value() (driver.Value, error) { return int64(*c), nil }

// scanText keeps the text that is there when the row's is the same: often it is that of the row before, and then costs
// no memory.
func scanText[T ~string](t *T, src any) error {
	switch v := src.(type) {
	case nil:
		*t = ""
	case []byte:
		if string(*t) != string(v) {
			*t = T(v)
		}
	case string:
		*t = T(v)
	default:
		return fmt.Errorf("scan %T as a text", src)
	}
	return nil
}

// Scan implements sql.Scanner.
func (t *text) Scan(src any) error { return scanText(t, src) }

// Value implements driver.Valuer.
func (t *text) Value() (driver.Value, error) { return string(*t), nil }

// Scan implements sql.Scanner.
func (t *nullText) Scan(src any) error { return scanText(t, src) }

// Value implements driver.Valuer.
func (t *nullText) Value() (driver.Value, error) {
	if *t == "" {
		return nil, nil
	}
	return string(*t), nil
}

// Scan implements sql.Scanner.
func (b *bytes) Scan(src any) error { return scanText(b, src) }

// Value implements driver.Valuer.
func (b *bytes) Value() (driver.Value, error) {
	if *b == "" {
		return nil, nil
	}
	return []byte(*b), nil
}

// Scan implements sql.Scanner.
func (h *hash) Scan(src any) error {
	v, ok := src.([]byte)
	if !ok || len(v) != HashLen {
		return fmt.Errorf("scan %T as a hash of %d bytes", src, HashLen)
	}
	*h = hash(v)
	return nil
}

// Value implements driver.Valuer.
func (h *hash) Value() (driver.Value, error) { return h[:], nil }

// Scan implements sql.Scanner.
func (b *blob) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*b = nil
	case []byte:
		*b = append([]byte{}, v...) // the driver's buffer is used again
	default:
		return fmt.Errorf("scan %T as bytes", src)
	}
	return nil
}

// Value implements driver.Valuer.
func (b *blob) Value() (driver.Value, error) { return append([]byte{}, *b...), nil }

// Scan implements sql.Scanner.
func (d *digest) Scan(src any) error {
	v, ok := src.([]byte)
	if !ok || len(v) != len(d) {
		return fmt.Errorf("scan %T as a hash of %d bytes", src, len(d))
	}
	*d = digest(v)
	return nil
}

// Value implements driver.Valuer.
func (d *digest) Value() (driver.Value, error) { return d[:], nil }

// Scan implements sql.Scanner.
func (f *flag) Scan(src any) error {
	var n number
	err := n.Scan(src)
	*f = n != 0
	return err
}

// Value implements driver.Valuer.
func (f *flag) Value() (driver.Value, error) { return bool(*f), nil }

// Scan implements sql.Scanner.
func (m *moment) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*m = moment{}
	case time.Time:
		*m = moment(v)
	case []byte: // in a packed row
		t, err := time.Parse(time.DateTime, string(v))
		*m = moment(t)
		return err
	default:
		return fmt.Errorf("scan %T as a time", src)
	}
	return nil
}

// Value implements driver.Valuer.
func (m *moment) Value() (driver.Value, error) {
	t := time.Time(*m)
	if t.IsZero() {
		return nil, nil
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

// Scan implements sql.Scanner.
func (*folded) Scan(any) error { return nil }

// Value implements driver.Valuer.
func (f *folded) Value() (driver.Value, error) { return SearchKey(string(*f)), nil }

// Scan implements sql.Scanner.
func (*looks) Scan(any) error { return nil }

// Value implements driver.Valuer.
func (l *looks) Value() (driver.Value, error) { return []byte(skeleton.Of(string(*l))), nil }

// Scan implements sql.Scanner.
func (*minute) Scan(any) error { return nil }

// Value implements driver.Valuer.
func (m *minute) Value() (driver.Value, error) { return UnixMinute(time.Time(*m)), nil }

// UnixMinute is the coarse time by which active rooms are found.
func UnixMinute(t time.Time) int64 { return t.Unix() / 60 }
