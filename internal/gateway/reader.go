package gateway

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fasthttp/websocket"

	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

// preAuthLimit bounds, in bytes, the first frame of a socket that brought no token.
const preAuthLimit = 8 << 10

// readBuffers are for one frame each, and returned when it is handled. So an idle socket has no buffer.
var readBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// startLocked starts the reader unless it runs. The reader also finishes the socket.
func (s *socket) startLocked() {
	if !s.reading {
		s.reading = true
		go s.run()
	}
}

// run reads until one data frame is handled, and leaves the socket to a new goroutine that does the same; or until
// reading fails; or until the socket must wait for its welcome, which starts it again. Frames that arrive while the
// socket closes are dropped, up to the peer's close frame.
func (s *socket) run() {
	for {
		op, r, err := s.ws.NextReader()
		if err != nil {
			s.end(err)
			return
		}
		s.seen.Store(s.g.o.Now().UnixMilli())
		if s.ending() {
			continue
		}
		if op != websocket.TextMessage {
			s.close(protocol.CloseBinary, 0)
			continue
		}
		switch paused, err := s.one(r); {
		case paused: // another goroutine may have the socket by now
		case err != nil:
			s.end(err)
		default:
			// Handling a frame takes more stack than waiting for one, and a stack that has grown so little never
			// shrinks: that would be a quarter of the memory of sockets that are mostly idle. A new goroutine costs
			// less than a microsecond.
			go s.run()
		}
		return
	}
}

func (s *socket) ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == closing
}

// one reads and handles one data frame. After paused the caller must not touch the socket.
func (s *socket) one(r io.Reader) (paused bool, err error) {
	p := readBuffers.Get().(*[]byte)
	b, err := readAll(r, (*p)[:0])
	defer func() {
		if cap(b) <= 128<<10 {
			*p = b[:0]
		}
		readBuffers.Put(p)
	}()
	switch {
	case err != nil:
		return false, err
	case !utf8.Valid(b):
		s.close(protocol.CloseUTF8, 0)
		return false, nil
	}
	s.g.m.FramesIn.Inc()
	s.g.m.BytesIn.Add(float64(len(b)))
	if s.user == 0 {
		return s.authenticate(b), nil
	}
	s.handle(b)
	return false, nil
}

// readAll appends r to b. The read limit of the WebSocket library bounds it.
func readAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// authenticate handles the first frame of a socket that brought no token; false means that the socket is closing.
func (s *socket) authenticate(b []byte) bool {
	f, err := protocol.Decode(b, s.g.o.Frames)
	if err != nil || f.Type != protocol.TAuth {
		s.close(protocol.CloseProtocol, 0)
		return false
	}
	c, err := s.g.o.Verifier.Verify(f.Token)
	if err != nil {
		s.close(tokenCode(err), 0)
		return false
	}
	s.ws.SetReadLimit(int64(s.g.o.Frames.FrameBytes))
	return s.identify(c)
}

// onPing answers a WebSocket ping, which counts as a frame of the socket's rate, and as a sign of life.
func (s *socket) onPing(data string) error {
	s.seen.Store(s.g.o.Now().UnixMilli())
	if _, ok := s.pace(); ok {
		s.send(hub.Encode(opPong, []byte(data)))
	}
	return nil
}

// onPong notes a sign of life.
func (s *socket) onPong(string) error {
	s.seen.Store(s.g.o.Now().UnixMilli())
	return nil
}

// ignoreClose keeps the library from answering a close frame: failed does that, through the queue.
func ignoreClose(int, string) error { return nil }

// failed closes the socket after an error of the WebSocket library, with the close code that it means.
func (s *socket) failed(err error) {
	var ce *websocket.CloseError
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		code := protocol.CloseTooBig
		if s.user == 0 {
			code = protocol.CloseProtocol
		}
		s.close(code, 0)
	case errors.As(err, &ce) && ce.Code != websocket.CloseAbnormalClosure:
		code := protocol.CloseCode(ce.Code)
		if code == websocket.CloseNoStatusReceived {
			code = 0
		}
		s.peerClosed(code)
	case s.framing:
		s.close(protocol.CloseProtocolFrame, 0)
	default:
		s.broken()
	}
}

// end is the last thing a reader does.
func (s *socket) end(err error) {
	s.failed(err)
	s.discard()
	s.finish()
}

// discard reads on until the connection ends: to close it with unread data would reset it, and the peer might never
// see our close frame. The wheel bounds this by closing the connection.
func (s *socket) discard() {
	p := readBuffers.Get().(*[]byte)
	b := (*p)[:cap(*p)]
	for {
		if _, err := s.conn.Read(b); err != nil {
			break
		}
	}
	readBuffers.Put(p)
}

// readConn is the connection as the WebSocket library sees it. After the handshake only the writers write, so the
// library's writes go nowhere. It tries to write only after a framing error, so a write is taken as the report of
// one.
type readConn struct {
	net.Conn
	s *socket
}

// Write writes the handshake and drops everything after it.
func (c readConn) Write(p []byte) (int, error) {
	if c.s.ws == nil {
		return c.Conn.Write(p)
	}
	c.s.framing = true
	return len(p), nil
}

// SetWriteDeadline acts during the handshake only.
func (c readConn) SetWriteDeadline(t time.Time) error {
	if c.s.ws == nil {
		return c.Conn.SetWriteDeadline(t)
	}
	return nil
}

// SetDeadline acts during the handshake only.
func (c readConn) SetDeadline(t time.Time) error {
	if c.s.ws == nil {
		return c.Conn.SetDeadline(t)
	}
	return nil
}
