package table

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strconv"
	"time"
)

// Cell is a field of a noun as database/sql sees it: it takes what a row holds, and gives what a write needs.
type Cell interface {
	sql.Scanner
	driver.Valuer
}

// The cells. Each is a noun's field under another type; NULL is its zero value.
type (
	number   uint64
	count    int
	text     string // never NULL
	nullText string // NULL if empty
	bytes    string // a VARBINARY: no collation folds it; NULL if empty
	blob     []byte // never NULL
	hash     [HashLen]byte
	digest   [32]byte // SHA-256
	flag     bool
	moment   time.Time // NULL if zero
	folded   string    // written as SearchKey of the field; what is read is dropped
	minute   time.Time // written as UnixMinute of the field; what is read is dropped
)

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
func (*minute) Scan(any) error { return nil }

// Value implements driver.Valuer.
func (m *minute) Value() (driver.Value, error) { return UnixMinute(time.Time(*m)), nil }
