package gateway

import (
	"errors"
	"sync"
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

// run reads until one message is handled, and leaves the socket to a new goroutine that does the same; or until
// reading fails; or until the socket must wait for its welcome, which starts it again.
func (s *socket) run() {
	defer s.rescue()
	for {
		h, err := s.in.Header()
		switch {
		case err != nil:
		case h.Op >= inlet.OpClose:
			err = s.control(&h)
		case s.ending():
			err = s.drop(h.N)
		case h.Op == inlet.OpContinuation:
			err = inlet.ErrFraming
		default:
			var paused bool
			if paused, err = s.message(h); paused { // another goroutine may have the socket by now
				return
			}
			if err == nil {
				// Handling a message takes more stack than waiting for one, and a stack that has grown so little never
				// shrinks: that would be a quarter of the memory of sockets that are mostly idle. A new goroutine costs
				// less than a microsecond.
				go s.run()
				return
			}
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

func (s *socket) ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == closing
}

// control handles a control frame: each counts as a frame of the socket's rate, and as a sign of life. An error ends
// the reading.
func (s *socket) control(h *inlet.Header) error {
	p, err := s.in.Control(h)
	if err != nil {
		return err
	}
	s.seen.Store(s.g.o.Now().UnixMilli())
	if h.Op == inlet.OpClose {
		code, err := inlet.CloseCode(p)
		if err == nil {
			err = inlet.PeerCloseError(code)
		}
		return err
	}
	if _, ok := s.pace(); ok && h.Op == inlet.OpPing {
		s.send(hub.Encode(inlet.OpPong, p))
	}
	return nil
}

// message reads and handles the data message that begins with h. After paused the caller must not touch the socket.
func (s *socket) message(h inlet.Header) (paused bool, err error) {
	p := readBuffers.Get().(*[]byte)
	b, err := s.gather(&h, (*p)[:0])
	defer func() {
		if cap(b) <= 128<<10 {
			*p = b[:0]
		}
		readBuffers.Put(p)
	}()
	if err != nil {
		return false, err
	}
	s.g.m.FramesIn.Inc()
	s.g.m.BytesIn.Add(float64(len(b)))
	if s.user == 0 {
		return s.authenticate(b), nil
	}
	s.handle(b)
	return false, nil
}

// gather appends the message that begins with h to b, and checks it. A message that may not be sent closes the socket;
// gather returns then when the peer's answer has come.
func (s *socket) gather(h *inlet.Header, b []byte) (_ []byte, err error) {
	limit := uint64(s.g.o.Frames.FrameBytes)
	text, parts := 0, false // b[:text] is whole runes
	if s.user == 0 {
		limit = min(limit, preAuthLimit)
	}
	s.seen.Store(s.g.o.Now().UnixMilli())
	for {
		switch {
		case h.Op == inlet.OpBinary:
			return b, s.forbid(protocol.CloseBinary, h.N)
		case h.N > limit-uint64(len(b)) && s.user == 0:
			return b, s.forbid(protocol.CloseProtocol, h.N)
		case h.N > limit-uint64(len(b)):
			return b, s.forbid(protocol.CloseTooBig, h.N)
		}
		start := len(b)
		if b, err = s.in.Append(b, h.N); err != nil {
			return b, err
		}
		inlet.Unmask(b[start:], h.Mask)
		if h.Fin {
			break
		}
		whole, ok := inlet.TextSoFar(b[text:])
		if !ok {
			return b, s.forbid(protocol.CloseUTF8, 0)
		}
		text += whole
		if !parts {
			parts = true
			s.half.Store(s.seen.Load()) // the ticker ends the socket if the rest doesn't come
		}
		if *h, err = s.continuation(); err != nil {
			return b, err
		}
	}
	if !utf8.Valid(b[text:]) {
		return b, s.forbid(protocol.CloseUTF8, 0)
	}
	if parts {
		s.half.Store(0)
	}
	return b, nil
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
			s.pace()
			if s.ending() {
				return h, s.drop(h.N)
			}
			return h, nil
		}
		if err = s.control(&h); err != nil {
			return h, err
		}
		if s.ending() {
			return h, s.drop(0)
		}
	}
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
