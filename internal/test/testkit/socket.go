package testkit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// patience is how long a Socket waits for what it expects.
const patience = 20 * time.Second

// Socket is a scripted WebSocket client. It records every frame; Expect consumes what it finds.
type Socket struct {
	w    *wire
	done chan struct{} // closed when the reader has ended

	mu     sync.Mutex
	frames []Frame
	taken  []bool
	news   chan struct{} // closed and replaced with every frame
	closed *CloseError
}

// Dial opens a socket, e.g. at ws://host:port/api/v1/ws; it is closed when the test ends.
func Dial(t testing.TB, url, token string, opts ...DialOption) *Socket {
	t.Helper()
	s, err := TryDial(t, url, token, opts...)
	if err != nil {
		t.Fatalf("open socket: %v", err)
	}
	return s
}

// TryDial is Dial for an upgrade that may be refused: see StatusOf.
func TryDial(t testing.TB, url, token string, opts ...DialOption) (*Socket, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w, err := dialWire(ctx, url, token, opts)
	if err != nil {
		return nil, err
	}
	s := &Socket{w: w, done: make(chan struct{}), news: make(chan struct{})}
	go s.read()
	t.Cleanup(s.Close)
	return s, nil
}

func (s *Socket) read() {
	defer close(s.done)
	for {
		b, err := s.w.next()
		s.mu.Lock()
		if err != nil {
			if !errors.As(err, &s.closed) {
				s.closed = &CloseError{Code: 1006, Reason: err.Error()}
			}
			s.mu.Unlock()
			return
		}
		f, err := parseFrame(b)
		if err != nil {
			f = Frame{"type": "malformed", "text": string(b)}
		}
		s.frames, s.taken = append(s.frames, f), append(s.taken, false)
		close(s.news)
		s.news = make(chan struct{})
		s.mu.Unlock()
	}
}

// Close closes the socket and waits for its reader.
func (s *Socket) Close() {
	s.w.close()
	<-s.done
}

// Drop ends the connection without a close frame.
func (s *Socket) Drop() {
	_ = s.w.conn.Close()
	<-s.done
}

// Send sends an object as JSON.
func (s *Socket) Send(t testing.TB, v any) {
	t.Helper()
	if err := s.w.sendJSON(v); err != nil {
		t.Fatalf("send %v: %v", v, err)
	}
}

// TrySend is Send for a socket that the server may have closed.
func (s *Socket) TrySend(v any) error { return s.w.sendJSON(v) }

// SendText sends a text message as it is.
func (s *Socket) SendText(t testing.TB, text string) {
	t.Helper()
	if err := s.w.send(ws.OpText, true, []byte(text)); err != nil {
		t.Fatalf("send %q: %v", text, err)
	}
}

// SendFrame sends any frame: fragments, binary, control. The caller decides about an error: the server may have closed the socket.
func (s *Socket) SendFrame(op ws.OpCode, fin bool, payload []byte) error {
	return s.w.send(op, fin, payload)
}

// SendRaw sends bytes as they are, frame headers included.
func (s *Socket) SendRaw(b []byte) error { return s.w.write(b) }

// Frames are all frames so far, in order.
func (s *Socket) Frames() []Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Frame(nil), s.frames...)
}

// take finds the first frame that was not consumed and consumes it.
func (s *Socket) take(m Match) (f Frame, ok bool, news <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.frames {
		if !s.taken[i] && m(f) {
			s.taken[i] = true
			return f, true, nil
		}
	}
	return nil, false, s.news
}

// Expect waits for the first frame that matches and was not consumed before, and consumes it.
func (s *Socket) Expect(t testing.TB, m Match) Frame {
	t.Helper()
	f, ok := s.await(m, patience)
	if !ok {
		t.Fatalf("the expected frame did not come; %s", s.story())
	}
	return f
}

func (s *Socket) await(m Match, within time.Duration) (Frame, bool) {
	late := time.NewTimer(within)
	defer late.Stop()
	for {
		f, ok, news := s.take(m)
		if ok {
			return f, true
		}
		select {
		case <-news:
		case <-s.done:
			f, ok, _ = s.take(m)
			return f, ok
		case <-late.C:
			return nil, false
		}
	}
}

// Welcome waits for the welcome.
func (s *Socket) Welcome(t testing.TB) Frame { t.Helper(); return s.Expect(t, Is("welcome")) }

// Ping sends a ping and waits for its pong: what the gateway had queued for this socket before has arrived then.
func (s *Socket) Ping(t testing.TB) {
	t.Helper()
	s.Send(t, map[string]any{"type": "ping"})
	s.Expect(t, Is("pong"))
}

// ExpectNone fails if a frame that matches, and was not consumed, has come. barriers run first and must make sure that
// whatever could send such a frame has done so (e.g. await a later message of the room); a ping always follows.
func (s *Socket) ExpectNone(t testing.TB, m Match, barriers ...func()) {
	t.Helper()
	for _, b := range barriers {
		b()
	}
	s.Ping(t)
	if f, ok, _ := s.take(m); ok {
		t.Fatalf("unexpected frame %v; %s", f, s.story())
	}
}

// Closed waits until the server has closed the socket and returns the close code and reason.
func (s *Socket) Closed(t testing.TB) (code int, reason string) {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		t.Fatalf("the socket stays open; %s", s.story())
	}
	code, reason, _ = s.Ended()
	return code, reason
}

// Ended returns whether the socket has closed, and how.
func (s *Socket) Ended() (code int, reason string, over bool) {
	select {
	case <-s.done:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.closed.Code, s.closed.Reason, true
	default:
		return 0, "", false
	}
}

// story describes what the socket has received, for failures.
func (s *Socket) story() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d frames:", len(s.frames))
	for i := max(0, len(s.frames)-40); i < len(s.frames); i++ {
		fmt.Fprintf(&b, "\n  %v", s.frames[i])
	}
	if s.closed != nil {
		fmt.Fprintf(&b, "\n  %v", s.closed)
	}
	return b.String()
}
