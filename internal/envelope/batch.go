package envelope

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	magic = 0xC5
	// Version is the batch layout that is written; Version and Version-1 are read.
	Version = 1
	// MaxRecord bounds one record: content, its escapes and its headers fit many times.
	MaxRecord = 4 << 20
)

// ErrMalformed is the cause if bytes from the bus are not a batch or a record of a version that is read here.
var ErrMalformed = errors.New("malformed envelope")

// Frame appends a batch of already encoded records to dst.
func Frame(dst []byte, records [][]byte) []byte {
	dst = append(dst, magic, Version)
	for _, r := range records {
		dst = binary.AppendUvarint(dst, uint64(len(r)))
		dst = append(dst, r...)
	}
	return dst
}

// Records splits a batch. The records alias b. What was read before an error is returned with it.
func Records(b []byte) ([][]byte, error) {
	if len(b) < 2 || b[0] != magic {
		return nil, fmt.Errorf("%w: no batch", ErrMalformed)
	}
	if b[1] != Version && b[1] != Version-1 {
		return nil, fmt.Errorf("%w: version %d, this process reads %d and %d", ErrMalformed, b[1], Version-1, Version)
	}
	b = b[2:]
	rs := make([][]byte, 0, 16)
	for len(b) > 0 {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > MaxRecord || n > uint64(len(b)-w) {
			return rs, fmt.Errorf("%w: record length", ErrMalformed)
		}
		rs = append(rs, b[w:w+int(n)])
		b = b[w+int(n):]
	}
	return rs, nil
}
