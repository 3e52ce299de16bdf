package inlet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// source is a connection that gives what a reader gives.
type source struct {
	net.Conn
	io.Reader
}

func (s source) Read(p []byte) (int, error) { return s.Reader.Read(p) }

func TestReaderReadsWhatCameBehindFirst(t *testing.T) {
	frame := append([]byte{0x81, 0x80 | 126, 1, 44, 0, 0, 0, 0}, bytes.Repeat([]byte("x"), 300)...)
	stream := bytes.Repeat(frame, 3)
	for _, behind := range []int{0, 1, 2, 7, 8, 9, bufferSize - 1, bufferSize, bufferSize + 1, 310, 700, len(stream)} {
		for name, slow := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "by octets": iotest.OneByteReader, "with its end": iotest.DataErrReader,
		} {
			var in Reader
			in.Begin(source{Reader: slow(bytes.NewReader(stream[behind:]))}, bytes.Clone(stream[:behind]))
			in.Limit(300)
			for i := range 3 {
				h, err := in.Header()
				if err != nil || h.N != 300 || h.Op != OpText || !h.Fin {
					t.Fatalf("%d behind, %s, frame %d: %+v, %v", behind, name, i, h, err)
				}
				b, err := in.Payload(nil, &h)
				if err != nil || !bytes.Equal(b, frame[8:]) {
					t.Fatalf("%d behind, %s, frame %d: %d bytes, %v", behind, name, i, len(b), err)
				}
			}
			if _, err := in.Header(); !errors.Is(err, io.EOF) {
				t.Errorf("%d behind, %s: after the end: %v", behind, name, err)
			}
		}
	}
}

func TestPayloadUndoesTheMask(t *testing.T) {
	for n := range 126 {
		plain := bytes.Repeat([]byte{7}, n)
		mask := []byte{1, 2, 3, 200}
		stream := append([]byte{0x81, 0x80 | byte(n)}, mask...)
		for i, c := range plain {
			stream = append(stream, c^mask[i%4])
		}
		var in Reader
		in.Begin(source{Reader: bytes.NewReader(stream)}, nil)
		in.Limit(200)
		h, err := in.Header()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := in.Payload([]byte("before"), &h); err != nil || !bytes.Equal(b, append([]byte("before"), plain...)) {
			t.Errorf("%d bytes: % x, %v", n, b, err)
		}
	}
}

func TestPayloadIsBounded(t *testing.T) {
	for n, want := range map[byte]error{10: nil, 11: ErrTooLong} {
		var in Reader
		in.Begin(source{Reader: bytes.NewReader(append([]byte{0x81, 0x80 | n, 0, 0, 0, 0}, make([]byte, n)...))}, nil)
		in.Limit(20)
		h, err := in.Header()
		if err != nil {
			t.Fatal(err)
		}
		if _, err = in.Payload(make([]byte, 10), &h); !errors.Is(err, want) {
			t.Errorf("%d bytes behind 10, with a limit of 20: %v", n, err)
		}
	}
}

// TestLengthsOf64Bits: a length has a shortest form, and its top bit is 0.
func TestLengthsOf64Bits(t *testing.T) {
	for n, want := range map[uint64]error{
		1<<16 - 1: ErrFraming, 1 << 16: nil, 1<<63 - 1: nil, 1 << 63: ErrFraming, 1<<64 - 1: ErrFraming,
	} {
		var in Reader
		in.Begin(source{Reader: bytes.NewReader(append(binary.BigEndian.AppendUint64([]byte{0x81, 0x80 | 127}, n), 0, 0, 0, 0))}, nil)
		in.Limit(20)
		h, err := in.Header()
		if !errors.Is(err, want) {
			t.Errorf("a length of %d: %v, want %v", n, err, want)
		}
		if err != nil {
			continue
		}
		if _, err := in.Payload(nil, &h); !errors.Is(err, ErrTooLong) {
			t.Errorf("a payload of %d: %v", n, err)
		}
	}
}

// FuzzTextSoFar: whatever the cut, a text is valid as a whole if and only if its parts are, one after another.
func FuzzTextSoFar(f *testing.F) {
	f.Add([]byte("h\u00e9llo \U0001F600"), 3)
	f.Add([]byte("\xed\xa0\x80"), 1)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		at = min(max(at, 0), len(b))
		whole, ok := TextSoFar(b[:at])
		if !ok {
			if utf8.Valid(b) {
				t.Errorf("% x is valid, but not up to %d", b, at)
			}
			return
		}
		if utf8.Valid(b[whole:]) != utf8.Valid(b) {
			t.Errorf("% x, cut at %d: %d are whole", b, at, whole)
		}
	})
}
