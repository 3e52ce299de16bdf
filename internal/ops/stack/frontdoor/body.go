package frontdoor

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// maxBody is the largest body that is forwarded, in bytes. The api has a lower limit, but the proxy would not read its refusal
// while it is still writing the body.
const maxBody = 256 << 10

// maxHead is the largest head of a request, in bytes: the api's own limit.
const maxHead = 16 << 10

// bodyTime bounds how long a body may take to arrive: as long as the api's own.
const bodyTime = 10 * time.Second

// errLong: a body without a declared length is longer than maxBody.
var errLong = errors.New("the body is too large")

// body is a request's body on its way to a backend. It bounds size and time, and remembers why it couldn't be read, since the proxy's
// error doesn't tell whose fault it was.
type body struct {
	io.ReadCloser

	conn *http.ResponseController
	left int64

	mu  sync.Mutex
	err error
}

func newBody(w http.ResponseWriter, of io.ReadCloser, within time.Duration) *body {
	b := &body{ReadCloser: of, conn: http.NewResponseController(w), left: maxBody}
	_ = b.conn.SetReadDeadline(time.Now().Add(within)) // only test recorders have none
	return b
}

// Read reads on. At the end the deadline is lifted: it would end an answer that takes longer.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		err = errLong
	}
	if err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		if errors.Is(err, io.EOF) {
			_ = b.conn.SetReadDeadline(time.Time{})
		} else {
			b.err = err
		}
	}
	return n, err
}

// failed returns why the body couldn't be read, nil if it could so far.
func (b *body) failed() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// unreadable is the status for a body that couldn't be read.
func unreadable(err error) int {
	switch {
	case errors.Is(err, errLong):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	}
	return http.StatusBadRequest
}
