package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// ErrCursor is the cause of errors about a cursor that can't be read. REST answers them with 400.
var ErrCursor = errors.New("unreadable cursor")

// BadCursor is the error about a cursor that no list returned: it was changed on its way, or belongs to another list.
func BadCursor() *Error {
	e := BadField("cursor", "is not a next_cursor that this list returned")
	e.Err = ErrCursor
	return e
}

// CursorSum is a sum over a place in a list, by which a cursor that was changed, or is of another list, can be found out. It is no
// secret: whoever computes one by themselves begins where they like in what they may see anyway.
func CursorSum(list, place string) string {
	h := sha256.Sum256([]byte(list + ":" + place))
	return hex.EncodeToString(h[:6])
}
