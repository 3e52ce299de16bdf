package table

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"
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
