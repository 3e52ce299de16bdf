package envelope

import (
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"chat-service/internal/chat"
)

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// encoder appends fields in the wire format of Protocol Buffers. Zero values are left out, but in lists, where each has its place.
type encoder struct{ b []byte }

func (e *encoder) always(num protowire.Number, v uint64) {
	e.b = protowire.AppendVarint(protowire.AppendTag(e.b, num, protowire.VarintType), v)
}

func (e *encoder) num(num protowire.Number, v uint64) {
	if v != 0 {
		e.always(num, v)
	}
}

func (e *encoder) flag(num protowire.Number, v bool) {
	if v {
		e.always(num, 1)
	}
}

func (e *encoder) str(num protowire.Number, s string) {
	if s != "" {
		e.b = protowire.AppendString(protowire.AppendTag(e.b, num, protowire.BytesType), s)
	}
}

func (e *encoder) bytes(num protowire.Number, s []byte) {
	e.b = protowire.AppendBytes(protowire.AppendTag(e.b, num, protowire.BytesType), s)
}

func (e *encoder) sub(num protowire.Number, fill func(*encoder)) {
	var s encoder
	fill(&s)
	e.bytes(num, s.b)
}

func (e *encoder) point(num protowire.Number, p Point) {
	e.sub(num, func(s *encoder) {
		s.num(1, uint64(p.Room))
		s.num(2, uint64(p.Seq))
		s.num(3, p.Epoch)
		s.num(4, uint64(p.Changes))
		s.num(5, uint64(p.From))
		s.flag(6, p.HasChanges)
	})
}

func decodePoint(b []byte) (p Point, err error) {
	err = fields(b, func(num protowire.Number, v uint64, _ []byte) error {
		switch num {
		case 1:
			p.Room = chat.RoomID(v)
		case 2:
			p.Seq = chat.Seq(v)
		case 3:
			p.Epoch = v
		case 4:
			p.Changes = chat.ChangeSeq(v)
		case 5:
			p.From = chat.Seq(v)
		case 6:
			p.HasChanges = v != 0
		}
		return nil
	})
	return p, err
}

// fields walks a record: v is set for varint fields, s (aliasing b) for bytes; other wire types come from later releases and are
// skipped.
func fields(b []byte, take func(num protowire.Number, v uint64, s []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return malformed("field tag")
		}
		b = b[n:]
		var v uint64
		var s []byte
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			s, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return malformed("field value")
		}
		b = b[n:]
		if typ != protowire.VarintType && typ != protowire.BytesType {
			continue
		}
		if err := take(num, v, s); err != nil {
			return err
		}
	}
	return nil
}

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
