package gateway

import (
	"errors"
	"sync"
	"time"
	"unicode/utf8"

	"chat-service/internal/gateway/hub"
	"chat-service/internal/gateway/inlet"
	"chat-service/internal/protocol"
)

// preAuthLimit bounds, in bytes, the first frame of a socket that brought no token.
const preAuthLimit = 8 << 10

// readBuffers are for one message each, and returned when it is handled. So an idle socket has no buffer.
var readBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// startLocked starts the reader unless it runs. The reader also finishes the socket.
func (s *socket) startLocked() {
	if !s.reading {
		s.reading = true
		go s.run()
	}
}

// run reads until one message is handled, which goes on by another goroutine that does the same; or until reading
// fails; or until the socket must wait for its welcome, which starts it again.
func (s *socket) run() {
	defer s.g.rescue(inSocket, s)
	h, err := s.in.Header()
	if err == nil && (h.Op != inlet.OpText || s.ending.Load()) {
		h, err = s.others(h)
	}
	if err == nil {
		err = s.one(h)
	}
	if err != nil {
		s.end(err)
	}
}

// rescue is deferred where a panic must not end the process: see panicked.
func (g *Gateway) rescue(where string, s *socket) {
	if r := recover(); r != nil {
		g.panicked(where, s, r)
	}
}

// one reads and handles the message that begins with h. The next one gets a new goroutine: handling a message takes
// more stack than waiting for one, and a stack that has grown so little never shrinks. That would be a quarter of the
// memory of sockets that are mostly idle, and a goroutine costs less than a microsecond.
func (s *socket) one(h inlet.Header) error {
	p := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(p)
	s.seen.Store(s.g.o.Now().UnixMilli())
	b, err := s.in.Payload((*p)[:0], &h)
	if err != nil || !h.Fin || !utf8.Valid(b) {
		if b, err = s.fragments(b, &h, err); err != nil {
			return err
		}
	}
	if cap(b) <= 128<<10 {
		*p = b[:0]
	}
	s.g.m.FramesIn.Inc()
	s.g.m.BytesIn.Add(float64(len(b)))
	if s.user != 0 {
		s.handle(b)
	} else if s.authenticate(b) {
		return nil // another goroutine may have the socket by now
	}
	go s.run()
	return nil
}

// fragments reads on in a message that isn't a whole text in one frame: its further fragments follow, or reading the
// first frame ended in an error. Every fragment may come late, so the ticker ends the socket if the last one doesn't
// come. A message that may not be sent closes the socket; fragments then returns when the peer's answer has come.
func (s *socket) fragments(b []byte, h *inlet.Header, err error) ([]byte, error) {
	for text := 0; ; { // b[:text] is whole runes
		switch {
		case errors.Is(err, inlet.ErrTooLong) && s.user == 0:
			return b, s.forbid(protocol.CloseProtocol, h.N)
		case errors.Is(err, inlet.ErrTooLong):
			return b, s.forbid(protocol.CloseTooBig, h.N)
		case err != nil:
			return b, err
		case h.Fin && utf8.Valid(b[text:]):
			s.half.Store(0)
			return b, nil
		}
		whole, ok := inlet.TextSoFar(b[text:])
		if !ok || h.Fin {
			return b, s.forbid(protocol.CloseUTF8, 0)
		}
		text += whole
		s.half.CompareAndSwap(0, s.seen.Load())
		if *h, err = s.continuation(); err == nil {
			b, err = s.in.Payload(b, h)
		}
	}
}

// continuation returns the header of a message's next fragment, handling control frames on the way. Every fragment
// counts as a frame of the socket's rate.
func (s *socket) continuation() (h inlet.Header, err error) {
	for {
		if h, err = s.in.Header(); err != nil {
			return h, err
		}
		if h.Op == inlet.OpText || h.Op == inlet.OpBinary {
			return h, inlet.ErrFraming
		}
		if h.Op == inlet.OpContinuation {
			s.seen.Store(s.g.o.Now().UnixMilli())
			s.pace(false)
			if s.ending.Load() {
				return h, s.drop(h.N)
			}
			return h, nil
		}
		if err = s.control(&h); err != nil {
			return h, err
		}
		if s.ending.Load() {
			return h, s.drop(0)
		}
	}
}

// others handles frames that don't begin a text, and returns the header of the next text. While the socket closes it
// drops what arrives, up to the peer's close frame.
func (s *socket) others(h inlet.Header) (inlet.Header, error) {
	for {
		var err error
		switch {
		case h.Op >= inlet.OpClose:
			err = s.control(&h)
		case s.ending.Load():
			err = s.drop(h.N)
		case h.Op == inlet.OpText:
			return h, nil
		case h.Op == inlet.OpContinuation:
			err = inlet.ErrFraming
		default:
			err = s.forbid(protocol.CloseBinary, h.N)
		}
		if err == nil {
			h, err = s.in.Header()
		}
		if err != nil {
			return h, err
		}
	}
}

// control handles a control frame: each counts as a frame of the socket's rate, and as a sign of life. An error ends
// the reading.
func (s *socket) control(h *inlet.Header) error {
	p := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(p)
	b, err := s.in.Payload((*p)[:0], h)
	if err != nil {
		return err
	}
	s.seen.Store(s.g.o.Now().UnixMilli())
	if h.Op == inlet.OpClose {
		code, err := inlet.CloseCode(b)
		if err == nil {
			err = inlet.PeerCloseError(code)
		}
		return err
	}
	if s.pace(false) == 0 && h.Op == inlet.OpPing {
		s.send(hub.Encode(inlet.OpPong, b))
	}
	return nil
}

// forbid closes the socket and drops the rest of the frame, and all further ones.
func (s *socket) forbid(code protocol.CloseCode, rest uint64) error {
	s.close(code, 0)
	return s.drop(rest)
}

// drop forgets n bytes, and then the frames that arrive while the socket closes, up to the peer's close frame: the
// error that it returns.
func (s *socket) drop(n uint64) error {
	for {
		if err := s.in.Skip(n); err != nil {
			return err
		}
		h, err := s.in.Header()
		if err != nil {
			return err
		}
		if n = h.N; h.Op == inlet.OpClose {
			return s.control(&h)
		}
	}
}

// authenticate handles the first frame of a socket that brought no token; false means that the socket is closing.
func (s *socket) authenticate(b []byte) bool {
	f, err := protocol.Decode(b, s.g.o.Frames, 0)
	if err != nil || f.Type != protocol.TAuth {
		s.close(protocol.CloseProtocol, 0)
		return false
	}
	c, err := s.g.o.Verifier.Verify(f.Token)
	if err != nil {
		s.close(tokenCode(err), 0)
		return false
	}
	if why := s.g.bounds.Show(&s.held, c.User); why != nil {
		s.close(protocol.CloseRateLimited, why.Wait+jitter(5*time.Second))
		return false
	}
	s.in.Limit(s.g.o.Frames.FrameBytes)
	return s.identify(c)
}

// failed closes the socket after an error of its reader, with the close code that it means.
func (s *socket) failed(err error) {
	var code inlet.PeerCloseError
	switch {
	case errors.As(err, &code):
		s.peerClosed(protocol.CloseCode(code))
	case errors.Is(err, inlet.ErrFraming):
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
