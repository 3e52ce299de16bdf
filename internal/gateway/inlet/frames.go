package inlet

import (
	"bufio"
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"slices"
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

const (
	maxControl = 125 // bytes of payload, of a control frame and of the shortest form of a length
	maskSize   = 4
	twice      = 1<<32 + 1
)

var (
	// ErrFraming is what isn't a frame that a client may send there (RFC 6455, sections 5 and 7.4).
	ErrFraming = errors.New("framing error")
	// ErrTooLong is a frame that makes its message longer than the limit.
	ErrTooLong = errors.New("message too long")
)

// PeerCloseError is the peer's close frame; 0 is one without a code.
type PeerCloseError protocol.CloseCode

// Error names it for logs.
func (PeerCloseError) Error() string { return "closed by the peer" }

// Header is what stands before a frame's payload.
type Header struct {
	Op   byte
	Fin  bool
	Mask uint64 // the client's mask of four bytes, twice
	N    uint64 // bytes of payload
}

// bufferSize is the buffer of a socket that reads, in bytes: a header or a control frame fits. Idle sockets keep it.
const bufferSize = 288

// Reader reads frames. It is written here and not taken from the library that answers the handshake, because only
// whoever reads the headers can refuse lengths that aren't minimal, and count frames that carry nothing (ADR 15).
type Reader struct {
	in    *bufio.Reader
	limit int
}

// Begin has the reader read what came behind the handshake, and then the connection.
func (r *Reader) Begin(conn net.Conn, behind []byte) {
	src := io.Reader(conn)
	if len(behind) > 0 {
		src = io.MultiReader(bytes.NewReader(behind), conn)
	}
	r.in = bufio.NewReaderSize(src, bufferSize)
}

// Waiting is how many bytes have been read from the connection and not taken yet.
func (r *Reader) Waiting() int { return r.in.Buffered() }

// Limit bounds the messages from the next one on, in bytes.
func (r *Reader) Limit(n int) { r.limit = n }

// Header reads a frame's header. Whether the frame may come after the one before is for the caller to judge.
func (r *Reader) Header() (h Header, err error) {
	p, err := r.in.Peek(2)
	if err != nil {
		return h, err
	}
	h = Header{Op: p[0] & 0x0f, Fin: p[0]&0x80 != 0, N: uint64(p[1] & 0x7f)}
	if p[0]&0xf0 != 0x80 || p[1]&0x80 == 0 || h.Op&7 > OpBinary || h.N > maxControl {
		return r.unusual(h, p)
	}
	if p, err = r.in.Peek(2 + maskSize); err == nil {
		h.Mask = uint64(binary.LittleEndian.Uint32(p[2:])) * twice
		_, err = r.in.Discard(2 + maskSize)
	}
	return h, err
}

// unusual reads on in a header that isn't that of a short and whole frame: its first two bytes are p.
func (r *Reader) unusual(h Header, p []byte) (_ Header, err error) {
	switch {
	case p[0]&0x70 != 0, p[1]&0x80 == 0: // reserved bits; not masked
		return h, ErrFraming
	case h.Op&7 > OpBinary:
		return h, ErrFraming
	case h.Op >= OpClose && (!h.Fin || h.N > maxControl):
		return h, ErrFraming
	}
	size, least := 2, uint64(0)
	switch h.N {
	case 126:
		size, least = 4, maxControl+1
	case 127:
		size, least = 10, 1<<16
	}
	if p, err = r.in.Peek(size + maskSize); err != nil {
		return h, err
	}
	switch size {
	case 4:
		h.N = uint64(binary.BigEndian.Uint16(p[2:]))
	case 10:
		h.N = binary.BigEndian.Uint64(p[2:])
	}
	if h.N < least || h.N > math.MaxInt64 { // "the minimal number of bytes MUST be used", "the most significant bit MUST be 0"
		return h, ErrFraming
	}
	h.Mask = uint64(binary.LittleEndian.Uint32(p[size:])) * twice
	_, err = r.in.Discard(size + maskSize)
	return h, err
}

// Payload appends a frame's payload to its message b, and undoes the mask. The message grows with what has arrived: a
// header alone costs no memory.
func (r *Reader) Payload(b []byte, h *Header) ([]byte, error) {
	start := len(b)
	if h.N > uint64(r.limit-start) && h.Op < OpClose {
		return b, ErrTooLong
	}
	for end := start + int(h.N); len(b) < end; {
		b = slices.Grow(b, 1)
		n, err := r.in.Read(b[len(b):min(cap(b), end)])
		if b = b[:len(b)+n]; err != nil && len(b) < end {
			return b, err
		}
	}
	var pad [128]byte
	for i := 0; i < len(pad); i += 8 {
		binary.LittleEndian.PutUint64(pad[i:], h.Mask)
	}
	for rest := b[start:]; len(rest) > 0; {
		rest = rest[subtle.XORBytes(rest, rest, pad[:]):]
	}
	return b, nil
}

// Skip reads n bytes and forgets them.
func (r *Reader) Skip(n uint64) error {
	_, err := io.CopyN(io.Discard, r.in, int64(min(n, 1<<62))) // no connection brings so many
	return err
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
