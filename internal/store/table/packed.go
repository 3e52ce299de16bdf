package table

import (
	"database/sql"
	"fmt"
	"strings"
)

// fieldEnd stands behind each field of a packed row but the last, which alone may hold it.
const fieldEnd = "|"

// Packed is the row as one column: its fields, NULL as an empty one. The first column must not be NULL in any row: Packed
// is NULL where an outer join finds none.
func (t *Table[R]) Packed() string {
	fields := make([]string, len(t.columns))
	for i, c := range t.columns {
		fields[i] = t.alias + "." + c.Name
		if i > 0 {
			fields[i] = "IFNULL(" + fields[i] + ", '')"
		}
	}
	return "CONCAT(" + strings.Join(fields, ", '"+fieldEnd+"', ") + ")"
}

// Unpack is where Packed goes. The same one serves row after row: a NULL wipes what the row before left.
func (t *Table[R]) Unpack(r *R) sql.Scanner {
	p := &packed{cells: make([]Cell, len(t.columns)), dirty: true}
	for i, c := range t.columns {
		p.cells[i] = c.Cell(r)
	}
	return p
}

// packed takes the fields of a row.
type packed struct {
	cells []Cell
	dirty bool // there may be something to wipe
}

// Scan implements sql.Scanner.
func (p *packed) Scan(src any) error {
	if src == nil && !p.dirty {
		return nil
	}
	p.dirty = src != nil
	row, ok := src.([]byte)
	if !ok && src != nil {
		return fmt.Errorf("scan %T as a packed row", src)
	}
	left := string(row)
	for i, c := range p.cells {
		field, rest, more := strings.Cut(left, fieldEnd)
		switch last := i == len(p.cells)-1; {
		case last:
			field = left
		case !more && src != nil:
			return fmt.Errorf("scan a packed row of %d fields, want %d", i+1, len(p.cells))
		}
		var value any
		if field != "" {
			value = []byte(field)
		}
		if err := c.Scan(value); err != nil {
			return err
		}
		left = rest
	}
	return nil
}
