package wscases

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// The opcodes that servers send.
const (
	OpText  = 0x1
	OpClose = 0x8
	OpPing  = 0x9
	OpPong  = 0xa
)

// Frame is a masked frame with a first byte: FIN, reserved bits and opcode.
func Frame(head byte, payload []byte) []byte {
	f := []byte{head}
	switch n := len(payload); {
	case n < 126:
		f = append(f, 0x80|byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 0x80|126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 0x80|127), uint64(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	f = append(f, mask[:]...)
	for i, b := range payload {
		f = append(f, b^mask[i%4])
	}
	return f
}

// masked is a text with a length as it is written, and a mask of zeros.
func masked(length byte, ext, payload []byte) []byte {
	f := append([]byte{0x81, length | 0x80}, ext...)
	f = append(f, 0, 0, 0, 0)
	return append(f, payload...)
}

func closeWith(code uint16, reason string) []byte {
	return Frame(0x88, append(binary.BigEndian.AppendUint16(nil, code), reason...))
}

// Read reads a server's frame, which must be whole, without reserved bits and not masked.
func Read(r *bufio.Reader) (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0]&0xf0 != 0x80 || head[1]&0x80 != 0 {
		return 0, nil, fmt.Errorf("a server's frame begins with % x", head)
	}
	n := uint64(head[1])
	var ext [8]byte
	switch n {
	case 126:
		_, err = io.ReadFull(r, ext[:2])
		n = uint64(binary.BigEndian.Uint16(ext[:2]))
	case 127:
		_, err = io.ReadFull(r, ext[:8])
		n = binary.BigEndian.Uint64(ext[:8])
	}
	if err != nil || n > 1<<20 {
		return 0, nil, fmt.Errorf("a server's frame of %d bytes: %w", n, err)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	return head[0] & 0x0f, payload, err
}
