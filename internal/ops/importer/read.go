package importer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxLine is the length of a line in bytes, at most: a room with as many members as a room holds fits in.
const maxLine = 8 << 20

// text is a line of the file.
type text struct {
	number int64
	bytes  []byte // without the line feed; valid until the next line is read
	long   bool   // longer than maxLine: bytes holds only its beginning
	cut    bool   // the file ends within it
}

// reader takes a file apart into lines.
type reader struct {
	b    *bufio.Reader
	line []byte
	n    int64 // lines
	read int64 // bytes
}

func newReader(r io.Reader) *reader { return &reader{b: bufio.NewReaderSize(r, 1<<16)} }

// next returns the next line; io.EOF behind the last one. Of a line that is too long no more is kept than a line may have.
func (r *reader) next() (t text, err error) {
	r.line = r.line[:0]
	for {
		part, err := r.b.ReadSlice('\n')
		r.read += int64(len(part))
		if room := maxLine + 1 - len(r.line); len(part) > room {
			part, t.long = part[:room], true
		}
		r.line = append(r.line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(r.line) > 0:
			t.cut = true
		case err != nil:
			return text{}, err
		}
		break
	}
	r.n++
	t.number = r.n
	t.bytes = bytes.TrimSuffix(r.line, []byte{'\n'})
	if t.long = t.long || len(t.bytes) > maxLine; t.number == 1 {
		t.bytes = bytes.TrimPrefix(t.bytes, []byte("\xef\xbb\xbf")) // what some editors begin a file with
	}
	return t, nil
}

func (r *reader) done() int64 { return r.read }

func (*reader) close() error { return nil }
