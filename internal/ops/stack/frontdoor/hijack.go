package frontdoor

import (
	"bufio"
	"net"
	"net/http"
)

// upgrader is a ResponseWriter whose Hijack loses nothing. A client may send its first frames together with the handshake; net/http has
// then read them into its buffer, which httputil's proxy doesn't look at.
type upgrader struct{ http.ResponseWriter }

// Unwrap lets http.ResponseController flush and set deadlines.
func (u upgrader) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// Hijack takes the connection over. What came behind the handshake is read from it first: no more than net/http's buffer holds.
func (u upgrader) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, buf, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	n := buf.Reader.Buffered()
	if n == 0 {
		return c, buf, nil
	}
	behind, err := buf.Peek(n)
	if err != nil {
		_ = c.Close()
		return nil, nil, err
	}
	c = &begun{Conn: c, behind: append([]byte(nil), behind...)}
	return c, bufio.NewReadWriter(bufio.NewReader(c), buf.Writer), nil
}

// begun is a connection of which a part has been read already. One goroutine reads it.
type begun struct {
	net.Conn
	behind []byte // nil once it has been read
}

// Read reads on.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.behind) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.behind)
	if b.behind = b.behind[n:]; len(b.behind) == 0 {
		b.behind = nil // idle sockets don't keep it
	}
	return n, nil
}
