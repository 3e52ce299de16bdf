package inlet

import (
	"encoding/binary"
	"errors"
	"net"
	"unicode/utf8"

	"chat-service/internal/protocol"
)

// The opcodes of RFC 6455.
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xA
)

// maxControl is the largest payload of a control frame, in bytes.
const maxControl = 125

// ErrFraming is what isn't a frame that a client may send there (RFC 6455, sections 5 and 7.4).
var ErrFraming = errors.New("framing error")

// PeerCloseError is the peer's close frame; 0 is one without a code.
type PeerCloseError protocol.CloseCode

// Error names it for logs.
func (PeerCloseError) Error() string { return "closed by the peer" }

// Header is what stands before a frame's payload.
type Header struct {
	Op   byte
	Fin  bool
	Mask [4]byte
	N    uint64 // bytes of payload
}

// bufferSize is the buffer of a socket that reads, in bytes: a header or a control frame fits. Idle sockets keep it.
const bufferSize = 288

// Reader is the buffer between a connection and its frames. It is written here and not taken from a library, because
// only whoever reads the headers can refuse lengths that aren't minimal, and count frames that carry nothing.
type Reader struct {
	conn net.Conn
	buf  []byte // buf[r:w] isn't consumed yet
	r, w int
}

// Begin takes what came behind the handshake, in a buffer of its own.
func (in *Reader) Begin(conn net.Conn, behind []byte) {
	in.conn, in.buf, in.w = conn, behind, len(behind)
	if len(behind) == 0 {
		in.buf = make([]byte, bufferSize)
	}
}

// peek returns the next n bytes, at most bufferSize, without consuming them.
func (in *Reader) peek(n int) ([]byte, error) {
	for in.w-in.r < n {
		switch {
		case in.r == in.w && len(in.buf) != bufferSize: // what came behind the handshake is consumed
			in.buf, in.r, in.w = make([]byte, bufferSize), 0, 0
		case in.r == in.w:
			in.r, in.w = 0, 0
		case len(in.buf)-in.r < n:
			if rest := in.buf[in.r:in.w]; len(in.buf) < bufferSize {
				in.buf = make([]byte, bufferSize)
				in.w = copy(in.buf, rest)
			} else {
				in.w = copy(in.buf, rest)
			}
			in.r = 0
		}
		k, err := in.conn.Read(in.buf[in.w:])
		in.w += k
		if err != nil && in.w-in.r < n {
			return nil, err
		}
	}
	return in.buf[in.r : in.r+n], nil
}

// Header reads a frame's header. Whether the frame may come after the one before is for the caller to judge.
func (in *Reader) Header() (h Header, err error) {
	p, err := in.peek(2)
	if err != nil {
		return h, err
	}
	h.Op, h.Fin = p[0]&0x0f, p[0]&0x80 != 0
	size, ext := p[1]&0x7f, 0
	switch {
	case p[0]&0x70 != 0, p[1]&0x80 == 0: // reserved bits; not masked
		return h, ErrFraming
	case h.Op > OpBinary && h.Op < OpClose, h.Op > OpPong:
		return h, ErrFraming
	case h.Op >= OpClose && (!h.Fin || size > maxControl):
		return h, ErrFraming
	case size == 126:
		ext = 2
	case size == 127:
		ext = 8
	}
	if p, err = in.peek(2 + ext + len(h.Mask)); err != nil {
		return h, err
	}
	h.N = uint64(size)
	switch ext {
	case 2:
		h.N = uint64(binary.BigEndian.Uint16(p[2:]))
	case 8:
		h.N = binary.BigEndian.Uint64(p[2:])
	}
	if ext == 2 && h.N < 126 || ext == 8 && h.N < 1<<16 { // "the minimal number of bytes MUST be used"
		return h, ErrFraming
	}
	copy(h.Mask[:], p[2+ext:])
	in.r += 2 + ext + len(h.Mask)
	return h, nil
}

// Control reads a control frame's payload, which is valid until the next read.
func (in *Reader) Control(h *Header) ([]byte, error) {
	p, err := in.peek(int(h.N))
	if err != nil {
		return nil, err
	}
	in.r += len(p)
	Unmask(p, h.Mask)
	return p, nil
}

// Append reads n bytes to the end of b. It grows with what has arrived: a header alone costs no memory.
func (in *Reader) Append(b []byte, n uint64) ([]byte, error) {
	for n > 0 {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		k, err := in.read(b[len(b):min(uint64(cap(b)), uint64(len(b))+n)])
		b, n = b[:len(b)+k], n-uint64(k)
		if err != nil && n > 0 {
			return b, err
		}
	}
	return b, nil
}

// Skip reads n bytes and forgets them.
func (in *Reader) Skip(n uint64) error {
	b := make([]byte, min(n, 4<<10))
	for n > 0 {
		k, err := in.read(b[:min(uint64(len(b)), n)])
		if n -= uint64(k); err != nil && n > 0 {
			return err
		}
	}
	return nil
}

func (in *Reader) read(p []byte) (int, error) {
	if in.r < in.w {
		n := copy(p, in.buf[in.r:in.w])
		in.r += n
		return n, nil
	}
	return in.conn.Read(p)
}

// Unmask undoes the client's mask in place.
func Unmask(b []byte, mask [4]byte) {
	half := uint64(binary.LittleEndian.Uint32(mask[:]))
	for key := half<<32 | half; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^key)
	}
	for i := range b {
		b[i] ^= mask[i&3]
	}
}

// CloseCode reads the payload of a close frame: nothing, or a code that may be sent and a reason in UTF-8.
func CloseCode(p []byte) (protocol.CloseCode, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(p) == 1 || !utf8.Valid(p[2:]) {
		return 0, ErrFraming
	}
	switch c := protocol.CloseCode(binary.BigEndian.Uint16(p)); {
	case c >= 1000 && c <= 1003, c >= 1007 && c <= 1014, c >= 3000 && c <= 4999:
		return c, nil
	default:
		return 0, ErrFraming
	}
}

// TextSoFar returns how much of b is whole runes; false if what follows can't become one.
func TextSoFar(b []byte) (whole int, ok bool) {
	whole = len(b)
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				whole = i
			}
			break
		}
	}
	return whole, utf8.Valid(b[:whole])
}
