package gateway

import (
	"encoding/binary"
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

// socket is one WebSocket from its upgrade to its end.
type socket struct {
	g       *Gateway
	conn    net.Conn
	raw     syscall.RawConn // nil: can't be written to without blocking
	ws      *websocket.Conn // reads only: see readConn
	id      chat.SocketID
	user    chat.UserID // user, login, device: set once, before the session is in the hub
	session chat.SessionID
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

	state hub.State
	rate  pace // the reader's
	bad   tally
}

// User is whose socket it is, 0 before it is known.
func (s *socket) User() chat.UserID { return s.user }

// State is the hub's note.
func (s *socket) State() *hub.State { return &s.state }

// identify binds a session to its user and asks the workers for its welcome. Its reader, where there is one, must stop: what
// comes next starts another. False means that the session closes already.
func (s *socket) identify(c Claims) bool {
	g := s.g
	s.mu.Lock()
	if s.phase == closing {
		s.mu.Unlock()
		return false
	}
	s.user, s.session = c.User, c.Session
	s.expiry.Store(c.ExpiresAt.UnixMilli())
	s.phase, s.reading, s.announced = connecting, false, true
	s.deadline = g.o.Now().UnixMilli() + g.o.ConnectTimeout.Milliseconds()
	g.wheel.move(s, s.deadline)
	s.mu.Unlock()
	g.hub.Add(s) // before the workers hear of it: what they say from then on must find it
	cmd := envelope.Command{
		Kind: envelope.Connect, Socket: s.id, User: s.user, Session: s.session,
		Device: s.device, Replace: s.replace, Partitions: g.o.Partitions, Features: envelope.Features(),
	}
	refused := func(err error) {
		if err != nil {
			g.nextRun(s.id)
			s.closeConnecting(protocol.CloseServerError, time.Second+jitter(4*time.Second))
		}
	}
	refused(g.publishLifecycle(&cmd, refused))
	return true
}

// publishLifecycle publishes that a socket comes, is there, or goes, in the order of the calls for each socket.
func (g *Gateway) publishLifecycle(c *envelope.Command, done func(error)) error {
	return g.publishBy(g.o.Bus.PublishBatched, g.connectPartition(c.Socket), c, done)
}

// socketRun is how many sockets that came one after another share a partition.
const socketRun = 128

// connectPartition is the partition in which a socket's coming and going is told. It follows the socket, not its user, so that those who
// come together travel together: by users, a storm of connects would be an AMQP message for nearly each.
func (g *Gateway) connectPartition(id chat.SocketID) int {
	return chat.PartitionOf(g.salt+uint64(id)/socketRun, g.o.Partitions)
}

// nextRun leaves a partition that doesn't let a socket in to those who are there: others take the next one.
func (g *Gateway) nextRun(id chat.SocketID) {
	if n := g.numbers.Load(); n/socketRun == uint64(id)/socketRun {
		g.numbers.CompareAndSwap(n, (n/socketRun+1)*socketRun)
	}
}

// welcomed puts the welcome before all that is queued and starts the reader; false where the session doesn't wait for it.
// Nothing is written until uncork.
func (s *socket) welcomed(f hub.Frame, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != connecting || s.gone {
		return false
	}
	s.enqueue(f)
	q := s.out.frames
	copy(q[1:], q)
	q[0] = f
	s.phase, s.writing = live, true
	s.seen.Store(now)
	s.nextPing = now + jitterMS(s.g.o.PingInterval.Milliseconds()) // the first one, so that those who came together aren't pinged so
	s.g.wheel.move(s, min(s.nextPing, s.expiry.Load()))
	return true
}

// uncork lets the writers at a session that was welcomed and starts its reader.
func (s *socket) uncork(sw *hub.Sweep) {
	sw.Ready = append(sw.Ready, s)
	s.mu.Lock()
	s.startLocked()
	s.mu.Unlock()
}

// closeConnecting ends a session that still waits for its welcome.
func (s *socket) closeConnecting(code protocol.CloseCode, retry time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == connecting {
		s.closeLocked(code, retry)
	}
}

// present tells that the session is live: welcomed and not closing.
func (s *socket) present() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == live && !s.gone
}

// RequestRoom asks for a room that the session's user was added to, in the client's place: it is answered by joined where he is a
// member, and by nothing else. What is lost is asked for again after the next digest.
func (s *socket) RequestRoom(room chat.RoomID) {
	if !s.present() {
		return
	}
	c := envelope.Command{Kind: envelope.Join, Socket: s.id, User: s.user, Session: s.session, Room: room, Repair: true}
	_ = s.g.publish(room.Partition(s.g.o.Partitions), &c, nil)
}

// look is the wheel's call: do what is due and say when to look again.
func (s *socket) look(now int64) {
	var sw hub.Sweep
	s.mu.Lock()
	if next := s.dueLocked(now, &sw); next != 0 && !s.gone {
		s.g.wheel.move(s, next)
	}
	s.mu.Unlock()
	s.g.writers.flush(&sw)
}

// dueLocked returns when to look again, 0 where somebody else has said so.
func (s *socket) dueLocked(now int64, sw *hub.Sweep) int64 {
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
			s.g.nextRun(s.id)
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
func (s *socket) leave(at int64, goaway hub.Frame) {
	s.mu.Lock()
	ready := false
	if s.phase == live && !s.gone {
		s.leaveAt = at
		ready = goaway != nil && s.pushLocked(goaway)
		s.g.wheel.move(s, min(at, s.g.o.Now().UnixMilli()+s.g.o.PingInterval.Milliseconds()))
	}
	s.mu.Unlock()
	if ready {
		s.g.writers.of(s).add(s)
	}
}

// close queues a close frame behind what is queued and ends the session; the first code stands.
func (s *socket) close(code protocol.CloseCode, retry time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked(code, retry)
}

func (s *socket) closeLocked(code protocol.CloseCode, retry time.Duration) {
	if s.gone || s.phase == closing {
		return
	}
	if code == protocol.CloseSlow || s.phase == connecting {
		s.dropQueue() // it will not take them, or they wait for a welcome that doesn't come
	}
	s.endLocked(code, closeFrame(code, protocol.CloseReason(code, retry)))
}

// endLocked moves to closing with a last hub.Frame.
func (s *socket) endLocked(code protocol.CloseCode, last hub.Frame) {
	s.phase, s.code = closing, code
	s.enqueue(last)
	if !s.writing {
		s.writing = true
		s.g.writers.of(s).add(s)
	}
	s.deadline = s.g.o.Now().UnixMilli() + closePatience.Milliseconds()
	s.g.wheel.move(s, s.deadline)
	s.startLocked()
}

// peerClosed answers the peer's close frame, or ends the wait for it.
func (s *socket) peerClosed(code protocol.CloseCode) {
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
func (s *socket) broken() {
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

// finish takes the session out of everything. The reader calls it, last.
func (s *socket) finish() {
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
		s.g.disconnects.add(envelope.Command{Kind: envelope.Disconnect, Socket: s.id, User: s.user, Session: s.session, Device: s.device})
	}
	s.g.open.Add(-1)
	s.g.m.Sockets.Dec()
	s.g.m.closed(code)
	s.g.live.Done()
}

const (
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// frames says the frames that are the same for everybody.
type frames struct{ ping, pong hub.Frame }

func newFrames() frames {
	return frames{ping: hub.Encode(opPing, nil), pong: hub.Text(protocol.AppendPong(nil))}
}

// closeFrame makes a close frame; code 0 makes one without a code.
func closeFrame(code protocol.CloseCode, reason string) hub.Frame {
	if code == 0 {
		return hub.Encode(opClose, nil)
	}
	return hub.Encode(opClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}

func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

func jitterMS(n int64) int64 { return jitter(time.Duration(n)).Nanoseconds() }
