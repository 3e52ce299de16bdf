package gateway

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/bounds"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/gateway/inlet"
	"chat-service/internal/protocol"
)

// phase is where a socket stands between its upgrade and its end.
type phase uint8

const (
	awaitAuth  phase = iota // upgraded without a token: the first frame must be auth
	connecting              // Connect is published; nothing is read, and what is queued waits for the welcome
	live                    // welcomed: frames are read and written
	closing                 // the close frame is queued or sent; nothing is queued after it
)

const (
	closeWait     = time.Second     // for the peer's close frame after ours
	closePatience = 6 * time.Second // for our close frame to be written after a blocked write
	// provePatience is for the answer to a ping of prove: a phone whose radio sleeps takes about a second. Workers wait for
	// somewhat longer.
	provePatience = 1500 * time.Millisecond
)

// socket is one WebSocket from its upgrade to its end. Its reader (reader.go) handles what the client sends, its writer
// (writer.go) sends what is queued, and the ticker looks at it when something is due. What they share is below mu.
type socket struct {
	g       *Gateway
	conn    net.Conn
	raw     syscall.RawConn // nil: can't be written to without blocking
	in      inlet.Reader    // the reader's alone
	id      chat.SocketID
	user    chat.UserID // user and session are set once, before the socket is in the hub
	session chat.SessionID
	device  string
	replace bool
	held    bounds.Place // what the socket holds of its user and address

	features protocol.Features // as its welcome said; set before frames are read

	seen   atomic.Int64 // when the last frame came, in Unix milliseconds
	half   atomic.Int64 // since when a message's further fragments are awaited, in Unix milliseconds; 0: none are
	expiry atomic.Int64 // when the token expires, in Unix milliseconds
	ending atomic.Bool  // phase is closing: the reader drops what arrives

	mu        sync.Mutex
	phase     phase
	gone      bool // finished: in no room and in no index
	reading   bool // a reader goroutine lives
	writing   bool // scheduled, or being written to
	peerDone  bool // the peer's close frame has arrived
	announced bool // Connect was published, so Disconnect must be
	code      protocol.CloseCode
	slot      int16 // slot and place belong to the wheel
	place     int32
	outBytes  int32
	out       *queue
	sends     []pending // unanswered sends, oldest first
	deadline  int64     // when the phase must be over, in Unix milliseconds
	leaveAt   int64     // when to close because of a drain or a lost bus; 0: it stays
	nextPing  int64
	proveAt   int64          // when the client was asked to show that it lives, in Unix milliseconds; 0: it wasn't
	renewed   chat.SessionID // whose token extended the socket last, if it isn't session's

	state  hub.State
	frames bounds.Frames // the reader's alone, as the next two are
	bad    bounds.Tally

	waits       bool  // for its turn: see writers.later
	crowdedTill int64 // when the next reaction may come after one was refused, in Unix milliseconds
}

// User returns whose socket it is, 0 before that is known.
func (s *socket) User() chat.UserID { return s.user }

// State returns what the hub keeps with the socket.
func (s *socket) State() *hub.State { return &s.state }

// identify binds a socket to its user and asks the workers for its welcome. If it has a reader, that must stop: the
// welcome, or the close, starts another one. False means that the socket is closing already.
func (s *socket) identify(c Claims) bool {
	g := s.g
	s.mu.Lock()
	if s.phase == closing {
		s.mu.Unlock()
		return false
	}
	if g.bounds.Identify(&s.held, c.User) != nil {
		s.closeLocked(protocol.CloseTooManySockets, 0)
		s.mu.Unlock()
		return false
	}
	s.user, s.session = c.User, c.Session
	s.expiry.Store(c.ExpiresAt.UnixMilli())
	s.phase, s.reading, s.announced = connecting, false, true
	s.deadline = g.o.Now().UnixMilli() + g.o.ConnectTimeout.Milliseconds()
	g.wheel.move(s, s.deadline)
	s.mu.Unlock()
	g.hub.Add(s) // before Connect is published: what the workers send from then on must find it
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

// publishLifecycle publishes Connect, Assert or Disconnect. Those of one socket keep the order of the calls.
func (g *Gateway) publishLifecycle(c *envelope.Command, done func(error)) error {
	return g.publishBy(g.o.Bus.PublishBatched, g.connectPartition(c.Socket), c, done)
}

// socketRun is how many sockets, opened one after another, share a partition.
const socketRun = 128

// connectPartition returns the partition for the commands about a socket's life (ADR 9). It depends on the socket and
// not on its user, so that sockets that open together share AMQP messages: by users, nearly each connect in a storm
// would be a message of its own.
func (g *Gateway) connectPartition(id chat.SocketID) int {
	return chat.PartitionOf(g.salt+uint64(id)/socketRun, g.o.Partitions)
}

// nextRun ends the current run if this socket is in it, because its partition didn't answer: the next sockets get
// another partition.
func (g *Gateway) nextRun(id chat.SocketID) {
	if n := g.numbers.Load(); n/socketRun == uint64(id)/socketRun {
		g.numbers.CompareAndSwap(n, (n/socketRun+1)*socketRun)
	}
}

// welcomed makes a connecting socket live and puts the welcome before everything that is queued; false if the socket
// doesn't wait for one. Nothing is written before start.
func (s *socket) welcomed(f hub.Frame, now int64, features protocol.Features) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != connecting || s.gone {
		return false
	}
	s.enqueue(f)
	q := s.out.frames
	copy(q[1:], q)
	q[0] = f
	s.phase, s.writing, s.features = live, true, features
	s.seen.Store(now)
	// At random within the interval, so that sockets that opened together aren't pinged together.
	s.nextPing = now + jitterMS(s.g.o.PingInterval.Milliseconds())
	s.g.wheel.move(s, min(s.nextPing, s.expiry.Load()))
	return true
}

// start has a welcomed socket written to and read from.
func (s *socket) start(sw *hub.Sweep) {
	sw.Ready = append(sw.Ready, s)
	s.mu.Lock()
	s.startLocked()
	s.mu.Unlock()
}

// closeConnecting closes a socket that still waits for its welcome.
func (s *socket) closeConnecting(code protocol.CloseCode, retry time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == connecting {
		s.closeLocked(code, retry)
	}
}

// present reports whether the socket is live: welcomed and not closing.
func (s *socket) present() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == live && !s.gone
}

// RequestRoom asks, in the client's place, for a room that its user was added to. The answer is joined if the user is
// a member, else there is none. A request that is lost is repeated after the next digest.
func (s *socket) RequestRoom(room chat.RoomID) {
	if !s.present() {
		return
	}
	c := envelope.Command{Kind: envelope.Join, Socket: s.id, User: s.user, Session: s.session, Room: room, Repair: true}
	_ = s.g.publish(room.Partition(s.g.o.Partitions), &c, nil)
}

// ReviewWatch asks the workers whom of these the socket's user may still watch. A request that is lost is repeated.
func (s *socket) ReviewWatch(users []chat.UserID, number uint64) {
	c := envelope.Command{
		Kind: envelope.Watch, Socket: s.id, User: s.user, Session: s.session, Users: users, Repair: true, Number: number,
	}
	_ = s.g.publish(s.user.Partition(s.g.o.Partitions), &c, nil)
}

// closeWritten ends the connection after our close frame: at once, or when the peer has had the time for its own. A client
// that has been silent for too long gets none: its end is reported sooner. A slow consumer keeps the time of
// closePatience: it may take long to read what the kernel holds before the close frame. The caller holds s.mu.
func (s *socket) closeWritten() {
	switch {
	case s.peerDone, s.code == protocol.CloseNoPong:
		_ = s.conn.Close()
	case s.code != protocol.CloseSlow:
		s.deadline = s.g.o.Now().UnixMilli() + closeWait.Milliseconds()
		s.g.wheel.move(s, s.deadline)
	}
}

// look does what is due and has the wheel look again when something else will be.
func (s *socket) look(now int64) {
	var sw hub.Sweep
	s.lookLocked(now, &sw)
	s.g.writers.flush(&sw)
}

func (s *socket) lookLocked(now int64, sw *hub.Sweep) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if next := s.dueLocked(now, sw); next != 0 && !s.gone {
		s.g.wheel.move(s, next)
	}
}

// dueLocked does what is due and returns when to look again, in Unix milliseconds; 0 if the wheel knows it already.
func (s *socket) dueLocked(now int64, sw *hub.Sweep) int64 {
	switch {
	case s.gone:
		return 0
	case s.phase == closing:
		if now >= s.deadline {
			s.dropConn()
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
	if half := s.half.Load(); half != 0 {
		silent = min(silent, half+s.g.o.MessageTimeout.Milliseconds())
	}
	if s.proveAt != 0 && s.seen.Load() < s.proveAt {
		silent = min(silent, s.proveAt+provePatience.Milliseconds())
	}
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

// leave has the socket closed at a time (Unix milliseconds). goaway, unless it is nil, is sent at once.
func (s *socket) leave(at int64, goaway hub.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != live || s.gone {
		return
	}
	s.leaveAt = at
	if goaway != nil && s.pushLocked(goaway) {
		s.g.writers.of(s).add(s)
	}
	s.g.wheel.move(s, min(at, s.g.o.Now().UnixMilli()+s.g.o.PingInterval.Milliseconds()))
}

// stays reports whether nothing has asked the socket to leave.
func (s *socket) stays() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaveAt == 0
}

// prove pings the client, and has the socket end if nothing comes soon; true means that the caller must schedule it.
func (s *socket) prove(now int64) (ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != live || s.gone || s.proveAt > s.seen.Load() { // not live, or asked already
		return false
	}
	s.proveAt = now
	s.seen.CompareAndSwap(now, now-1) // what came before the ping proves nothing
	s.g.wheel.bring(s, now+provePatience.Milliseconds())
	return s.pushLocked(s.g.frames.ping)
}

// close queues a close frame after what is queued and ends the socket. Only the first call counts. retry is when the
// client should connect again, if the code means that.
func (s *socket) close(code protocol.CloseCode, retry time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked(code, retry)
}

// closeLocked is close for callers that hold s.mu.
func (s *socket) closeLocked(code protocol.CloseCode, retry time.Duration) {
	if s.gone || s.phase == closing {
		return
	}
	if code == protocol.CloseSlow || s.phase == connecting {
		s.dropQueue() // the peer doesn't read, or the welcome that must come first won't come
	}
	s.endLocked(code, closeFrame(code, protocol.CloseReason(code, retry)))
}

// endLocked queues the last frame and moves to closing.
func (s *socket) endLocked(code protocol.CloseCode, last hub.Frame) {
	s.phase, s.code = closing, code
	s.ending.Store(true)
	s.enqueue(last)
	if !s.writing || s.state.Patient.CompareAndSwap(true, false) {
		s.writing = true
		s.g.writers.of(s).add(s)
	}
	s.deadline = s.g.o.Now().UnixMilli() + closePatience.Milliseconds()
	s.g.wheel.move(s, s.deadline)
	s.startLocked()
}

// peerClosed answers the peer's close frame, or ends the wait for it if ours was first.
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

// broken ends a socket that can't be written to or read from any more.
func (s *socket) broken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != closing {
		s.phase, s.code = closing, 0
		s.ending.Store(true)
	}
	s.dropConn()
	s.dropQueue()
	s.writing = false
	if !s.gone {
		s.startLocked()
	}
}

// dropConn closes the connection. If the peer doesn't read, the kernel forgets what it holds for it: else that would
// stay in memory for as long as the kernel tries to send it. The caller holds s.mu.
func (s *socket) dropConn() {
	if c, ok := s.conn.(interface{ SetLinger(sec int) error }); ok && (s.writing || s.code == protocol.CloseSlow) && !leavesUnsent() {
		_ = c.SetLinger(0) // the connection is closed in any case
	}
	_ = s.conn.Close()
}

// finish removes the socket from everything and publishes its Disconnect. The reader calls it, last.
func (s *socket) finish() {
	_ = s.conn.Close()
	s.mu.Lock()
	if s.gone { // a reader that panicked may find that another one has finished the socket
		s.mu.Unlock()
		return
	}
	defer s.g.live.Done()
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
	s.g.bounds.Leave(&s.held)
	s.g.open.Add(-1)
	s.g.sockets.remove(s)
	if announced {
		s.g.disconnects.add(envelope.Command{
			Kind: envelope.Disconnect, Socket: s.id, User: s.user, Session: s.session, Device: s.device,
		})
	}
	s.g.m.Sockets.Dec()
	s.g.m.closed(code)
}

// frames are the frames that are the same for everybody.
type frames struct{ ping, pong hub.Frame }

func newFrames() frames {
	return frames{ping: hub.Encode(inlet.OpPing, nil), pong: hub.Text(protocol.AppendPong(nil))}
}

// closeFrame makes a close frame; code 0 makes one without a code.
func closeFrame(code protocol.CloseCode, reason string) hub.Frame {
	if code == 0 {
		return hub.Encode(inlet.OpClose, nil)
	}
	return hub.Encode(inlet.OpClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}

// jitter returns a random duration from 0 to below d, so that what was triggered together doesn't happen together.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// jitterMS is jitter in milliseconds.
func jitterMS(n int64) int64 { return jitter(time.Duration(n)).Nanoseconds() }
