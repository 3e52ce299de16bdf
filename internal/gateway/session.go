package gateway

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fasthttp/websocket"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

// phase is how far a session has come.
type phase uint8

const (
	awaitAuth  phase = iota // upgraded without a token: the first frame must be auth
	connecting              // Connect is published; nothing is read, and what is queued waits for welcome
	live
	closing // the close frame is queued or sent; nothing else is queued any more
)

const (
	closeWait     = time.Second     // for the peer's close frame after ours
	closePatience = 6 * time.Second // for our close frame to be written behind a blocked write
	frameCost     = 32              // what a queued reference costs beside its bytes
)

// session is one socket from its upgrade to its end.
type session struct {
	g       *Gateway
	conn    net.Conn
	raw     syscall.RawConn // nil: can't be written to without blocking
	ws      *websocket.Conn // reads only: see readConn
	id      chat.SocketID
	user    chat.UserID // user, login, device: set once, before the session is in the hub
	login   chat.SessionID
	device  string
	replace bool
	framing bool // the reader's: the library has found a framing error

	seen   atomic.Int64 // Unix milliseconds of the last hub.Frame
	expiry atomic.Int64 // Unix milliseconds of the token's end

	mu        sync.Mutex
	phase     phase
	gone      bool // finished: in no room, no index
	reading   bool // a reader goroutine lives
	writing   bool // scheduled, or being written to
	peerDone  bool // the peer's close frame has come
	announced bool // Connect went out, so Disconnect must
	code      protocol.CloseCode
	slot      int16 // slot and place are the wheel's
	place     int32
	outBytes  int32
	out       *queue
	sends     []pending // unanswered messages, oldest first
	deadline  int64     // Unix milliseconds: end of the phase's patience
	leaveAt   int64     // drain: when to close; 0 stays
	nextPing  int64

	seat hub.Seat
	rate pace // the reader's
	bad  tally
}

// pending is a message without ack or error.
type pending struct {
	ref   string
	room  chat.RoomID
	cseq  uint64
	at    int64 // Unix milliseconds
	bytes int32
}

// User is whose socket it is, 0 before it is known.
func (s *session) User() chat.UserID { return s.user }

// Seat is the hub's note.
func (s *session) Seat() *hub.Seat { return &s.seat }

// Push queues a frame; true means that the caller must schedule the session.
func (s *session) Push(f hub.Frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pushLocked(f)
}

func (s *session) pushLocked(f hub.Frame) bool {
	if s.gone || s.phase == closing {
		return false
	}
	if int(s.outBytes)+len(f)+frameCost > s.g.o.QueueBytes {
		s.closeLocked(protocol.CloseSlow, jitter(time.Second))
		return false
	}
	s.enqueue(f)
	if s.writing || s.phase == connecting {
		return false
	}
	s.writing = true
	return true
}

// send queues a frame and schedules the session.
func (s *session) send(f hub.Frame) {
	if s.Push(f) {
		s.g.writers.of(s).add(s)
	}
}

// Lags tells that a quarter of the queue is taken, so that ephemeral frames are left out.
func (s *session) Lags() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.outBytes) > s.g.o.QueueBytes/4
}

func (s *session) enqueue(f hub.Frame) {
	if s.out == nil {
		s.out = queues.Get().(*queue)
	}
	s.out.frames = append(s.out.frames, f)
	s.outBytes += int32(len(f) + frameCost)
}

// take copies queued frames to buf: at least one, then as many as fit into a write.
func (s *session) take(buf []byte) (_ []byte, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil {
		return buf, 0
	}
	q := s.out
	for n < len(q.frames) && (n == 0 || len(buf)+len(q.frames[n]) <= writeBuffer) {
		buf = append(buf, q.frames[n]...)
		s.outBytes -= int32(len(q.frames[n]) + frameCost)
		n++
	}
	q.frames = q.frames[:copy(q.frames, q.frames[n:])]
	clear(q.frames[len(q.frames):min(len(q.frames)+n, cap(q.frames))])
	if len(q.frames) == 0 {
		s.dropQueue()
	}
	return buf, n
}

func (s *session) dropQueue() {
	if q := s.out; q != nil {
		clear(q.frames)
		q.frames = q.frames[:0]
		if cap(q.frames) <= 256 {
			queues.Put(q)
		}
	}
	s.out, s.outBytes = nil, 0
}

// rest ends a write: true means that there is more to write, and the session stays scheduled.
func (s *session) rest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out != nil && !s.gone {
		return true
	}
	s.writing = false
	if s.phase == closing && !s.gone {
		if s.peerDone {
			_ = s.conn.Close()
		} else {
			s.deadline = s.g.now() + closeWait.Milliseconds()
			s.g.wheel.move(s, s.deadline)
		}
	}
	return false
}

// close queues a close frame behind what is queued and ends the session; the first code stands.
func (s *session) close(code protocol.CloseCode, retry time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked(code, retry)
}

func (s *session) closeLocked(code protocol.CloseCode, retry time.Duration) {
	if s.gone || s.phase == closing {
		return
	}
	if code == protocol.CloseSlow || s.phase == connecting {
		s.dropQueue() // it will not take them, or they wait for a welcome that doesn't come
	}
	s.endLocked(code, closeFrame(code, protocol.CloseReason(code, retry)))
}

// endLocked moves to closing with a last hub.Frame.
func (s *session) endLocked(code protocol.CloseCode, last hub.Frame) {
	s.phase, s.code = closing, code
	s.enqueue(last)
	if !s.writing {
		s.writing = true
		s.g.writers.of(s).add(s)
	}
	s.deadline = s.g.now() + closePatience.Milliseconds()
	s.g.wheel.move(s, s.deadline)
	s.startLocked()
}

// peerClosed answers the peer's close frame, or ends the wait for it.
func (s *session) peerClosed(code protocol.CloseCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peerDone = true
	switch {
	case s.gone:
	case s.phase != closing:
		s.endLocked(code, closeFrame(code, ""))
	case !s.writing:
		_ = s.conn.Close()
	}
}

// broken ends a session whose socket can't be used any more.
func (s *session) broken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != closing {
		s.phase, s.code = closing, 0
	}
	s.dropQueue()
	s.writing = false
	_ = s.conn.Close()
	if !s.gone {
		s.startLocked()
	}
}

// startLocked starts the reader, which is also who finishes the session.
func (s *session) startLocked() {
	if !s.reading {
		s.reading = true
		go s.run()
	}
}

// look is the wheel's call: do what is due and say when to look again.
func (s *session) look(now int64) {
	var sw hub.Sweep
	s.mu.Lock()
	if next := s.dueLocked(now, &sw); next != 0 && !s.gone {
		s.g.wheel.move(s, next)
	}
	s.mu.Unlock()
	s.g.writers.flush(&sw)
}

// dueLocked returns when to look again, 0 where somebody else has said so.
func (s *session) dueLocked(now int64, sw *hub.Sweep) int64 {
	switch {
	case s.gone:
		return 0
	case s.phase == closing:
		if now >= s.deadline {
			_ = s.conn.Close()
			return 0
		}
		return s.deadline
	case s.phase != live:
		if now < s.deadline {
			return s.deadline
		}
		if s.phase == awaitAuth {
			s.closeLocked(protocol.CloseProtocol, 0)
		} else {
			s.g.nextDoor(s.id)
			s.closeLocked(protocol.CloseServerError, time.Second+jitter(2*time.Second))
		}
		return 0
	}
	silent := s.seen.Load() + 2*s.g.o.PingInterval.Milliseconds()
	expiry := s.expiry.Load()
	switch {
	case now >= expiry:
		s.closeLocked(protocol.CloseTokenExpired, 0)
		return 0
	case s.leaveAt != 0 && now >= s.leaveAt:
		s.closeLocked(protocol.CloseRestart, jitter(time.Second))
		return 0
	case now >= silent:
		s.closeLocked(protocol.CloseNoPong, 0)
		return 0
	}
	if now >= s.nextPing {
		if s.pushLocked(s.g.frames.ping) {
			sw.Ready = append(sw.Ready, s)
		}
		if s.phase == closing {
			return 0
		}
		s.nextPing = now + s.g.o.PingInterval.Milliseconds()
	}
	next := min(s.nextPing, silent, expiry)
	if s.leaveAt != 0 {
		next = min(next, s.leaveAt)
	}
	if due := s.expireSends(now, sw); due != 0 {
		next = min(next, due)
	}
	return next
}

// leave asks the session to go at a time (Unix milliseconds), telling it so where there is a frame for it.
func (s *session) leave(at int64, goaway hub.Frame) {
	s.mu.Lock()
	ready := false
	if s.phase == live && !s.gone {
		s.leaveAt = at
		ready = goaway != nil && s.pushLocked(goaway)
		s.g.wheel.move(s, min(at, s.g.now()+s.g.o.PingInterval.Milliseconds()))
	}
	s.mu.Unlock()
	if ready {
		s.g.writers.of(s).add(s)
	}
}

// finish takes the session out of everything. The reader calls it, last.
func (s *session) finish() {
	_ = s.conn.Close()
	s.mu.Lock()
	s.gone = true
	s.dropQueue()
	sends, announced, code := s.sends, s.announced, s.code
	s.sends = nil
	s.g.wheel.remove(s)
	s.mu.Unlock()
	for i := range sends {
		s.g.window.release(int(sends[i].bytes))
	}
	s.g.hub.Forget(s)
	s.g.sockets.remove(s)
	if announced {
		s.g.disconnects.add(envelope.Command{Kind: envelope.Disconnect, Socket: s.id, User: s.user, Session: s.login, Device: s.device})
	}
	s.g.open.Add(-1)
	s.g.m.Sockets.Dec()
	s.g.m.closed(code)
	s.g.live.Done()
}

func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

func jitterMS(n int64) int64 { return jitter(time.Duration(n)).Nanoseconds() }
