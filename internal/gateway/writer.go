package gateway

import (
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"chat-service/internal/gateway/hub"
	"chat-service/internal/gateway/turns"
	"chat-service/internal/protocol"
)

const (
	writeBuffer   = 16 << 10 // bytes of frames that are written at once, unless one frame is larger
	frameCost     = 32       // bytes that a queued frame counts beside its own
	writeDeadline = 5 * time.Second
)

// queue is what waits to be written to one socket. It is taken from a pool with the first frame and returned with the
// last. A queue that is full closes its socket: nothing is ever dropped from its middle.
type queue struct {
	frames []hub.Frame
}

var queues = sync.Pool{New: func() any { return &queue{frames: make([]hub.Frame, 0, 8)} }}

// send queues a frame and schedules the socket.
func (s *socket) send(f hub.Frame) {
	if s.Push(f) {
		s.g.writers.of(s).add(s)
	}
}

// Push queues a frame; true means that the caller must schedule the socket. A socket whose queue is full is closed as
// a slow consumer.
func (s *socket) Push(f hub.Frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pushLocked(f)
}

// pushLocked is Push for callers that hold s.mu. While the socket connects, frames are queued and not written: the
// welcome must go first.
func (s *socket) pushLocked(f hub.Frame) bool {
	if s.gone || s.phase == closing {
		return false
	}
	if int(s.outBytes)+len(f)+frameCost > s.g.o.QueueBytes {
		s.closeLocked(protocol.CloseSlow, jitter(time.Second))
		return false
	}
	s.enqueue(f)
	if s.phase == connecting || s.writing && !s.state.Patient.CompareAndSwap(true, false) {
		return false
	}
	s.writing = true
	return true
}

// enqueue appends a frame whatever the size of the queue. The caller holds s.mu.
func (s *socket) enqueue(f hub.Frame) {
	if s.out == nil {
		s.out = queues.Get().(*queue)
	}
	s.out.frames = append(s.out.frames, f)
	s.outBytes += int32(len(f) + frameCost)
}

// Lags reports whether a quarter of the queue is taken: ephemeral frames are then left out.
func (s *socket) Lags() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.outBytes) > s.g.o.QueueBytes/4
}

// writers write what sockets have queued. A few goroutines take the scheduled sockets in turn, copy as many frames of
// one as fit into their buffer and write them at once, without blocking. A socket that would block gets a goroutine
// of its own for writeDeadline, so that it delays nobody.
type writers struct {
	m     *Metrics
	ws    []*writer
	crowd *turns.Turns[*socket]
	slow  sync.WaitGroup
	ended sync.WaitGroup
}

// writer is one of the writing goroutines. Everything below wake is used by that goroutine alone.
type writer struct {
	all  *writers
	mu   sync.Mutex
	todo []*socket // each socket at most once, so it is bounded by their number
	stop bool
	wake chan struct{}

	buf  []byte
	n    int
	err  error
	try  func(fd uintptr) bool
	left []byte
}

func newWriters(m *Metrics) *writers {
	ws := &writers{m: m}
	ws.crowd = turns.New(func(s *socket) {
		if s.state.Patient.CompareAndSwap(true, false) { // else what waited was taken along
			ws.of(s).add(s)
		}
	})
	for range runtime.GOMAXPROCS(0) {
		w := &writer{all: ws, wake: make(chan struct{}, 1), buf: make([]byte, 0, writeBuffer)}
		w.try = w.tryOnce
		ws.ws = append(ws.ws, w)
	}
	return ws
}

func (ws *writers) start() {
	for _, w := range ws.ws {
		ws.ended.Go(w.run)
	}
	ws.ended.Go(ws.crowd.Run)
}

// close waits until every scheduled socket was written to once, and then for the temporary goroutines.
func (ws *writers) close() {
	ws.crowd.Close()
	for _, w := range ws.ws {
		w.mu.Lock()
		w.stop = true
		w.mu.Unlock()
		w.poke()
	}
	ws.ended.Wait()
	ws.slow.Wait()
}

// flush schedules the collected sockets.
func (ws *writers) flush(sw *hub.Sweep) {
	for i, x := range sw.Ready {
		s := x.(*socket) // there are no others
		ws.of(s).add(s)
		sw.Ready[i] = nil
	}
	sw.Ready = sw.Ready[:0]
	if len(sw.Later) > 0 {
		ws.later(sw)
	}
}

// later has the sockets that have nothing but what may wait stand behind the others, each until its turn. What else one is to get
// meanwhile takes along what waits.
func (ws *writers) later(sw *hub.Sweep) {
	for i, x := range sw.Later {
		s := x.(*socket)
		ws.crowd.Add(s, uint64(s.id)/uint64(len(ws.ws)), &s.waits)
		sw.Later[i] = nil
	}
	sw.Later = sw.Later[:0]
}

// of returns the socket's writer, which is always the same: its frames are written by one goroutine.
func (ws *writers) of(s *socket) *writer { return ws.ws[uint64(s.id)%uint64(len(ws.ws))] }

// add schedules a socket. The caller has set its writing flag, so it is scheduled once at most.
func (w *writer) add(s *socket) {
	w.mu.Lock()
	w.todo = append(w.todo, s)
	w.mu.Unlock()
	w.poke()
}

// poke wakes the writer. A wake that is pending already is enough.
func (w *writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run writes to the scheduled sockets in turn, one buffer each, until close was called and nothing is scheduled. A
// socket that has more goes to the end of the line, so that a busy one doesn't keep others waiting.
func (w *writer) run() {
	var turn []*socket
	for {
		w.mu.Lock()
		turn, w.todo = w.todo, turn[:0]
		stop := w.stop && len(turn) == 0
		w.mu.Unlock()
		if stop {
			return
		}
		if len(turn) == 0 {
			<-w.wake
			continue
		}
		for i, s := range turn {
			if w.write(s) {
				w.add(s)
			}
			turn[i] = nil
		}
	}
}

// write writes one buffer of a socket's frames; true means that there is more.
func (w *writer) write(s *socket) (more bool) {
	defer s.g.rescue(inWriter, s)
	var frames int
	w.buf, frames = s.take(w.buf[:0])
	b := w.buf
	if cap(w.buf) > writeBuffer {
		w.buf = make([]byte, 0, writeBuffer) // one frame larger than the buffer
	}
	if frames == 0 {
		return s.rest()
	}
	w.all.m.wrote(frames, len(b))
	w.left, w.n, w.err = b, 0, nil
	if s.raw != nil {
		if err := s.raw.Write(w.try); err != nil && w.err == nil {
			w.err = err
		}
	}
	w.left = nil
	if w.err != nil || w.n < len(b) {
		w.unfinished(s, b)
		return false
	}
	return s.rest()
}

// unfinished ends a write that failed, or that took only the beginning of b.
func (w *writer) unfinished(s *socket, b []byte) {
	if w.err != nil {
		s.broken()
	} else {
		w.all.blocked(s, b[w.n:])
	}
}

// take moves queued frames to buf: at least one, and as many as fit into a write.
func (s *socket) take(buf []byte) (_ []byte, n int) {
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
	q.frames = slices.Delete(q.frames, 0, n)
	if len(q.frames) == 0 {
		s.dropQueue()
	}
	return buf, n
}

// tryOnce writes once without blocking. It returns true, which tells the runtime not to wait for the connection.
func (w *writer) tryOnce(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), w.left)
		switch err {
		case nil:
			w.n = n
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
		default:
			w.err = err
		}
		return true
	}
}

// rest ends a write; true means that there is more to write, and that the socket stays scheduled.
func (s *socket) rest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out != nil && !s.gone {
		return true
	}
	s.writing = false
	if s.phase == closing && !s.gone {
		s.closeWritten()
	}
	return false
}

// dropQueue forgets what is queued and returns the queue to its pool, unless it has grown large. The caller holds s.mu.
func (s *socket) dropQueue() {
	if q := s.out; q != nil {
		clear(q.frames)
		q.frames = q.frames[:0]
		if cap(q.frames) <= 256 {
			queues.Put(q)
		}
	}
	s.out, s.outBytes = nil, 0
}

// blocked has the rest of a write written by a goroutine of its own.
func (ws *writers) blocked(s *socket, rest []byte) {
	ws.m.BlockedWrites.Inc()
	rest = append([]byte(nil), rest...)
	ws.slow.Go(func() { ws.writeSlow(s, rest) })
}

// writeSlow writes, with a deadline for each write, until the socket has nothing queued.
func (ws *writers) writeSlow(s *socket, b []byte) {
	defer s.g.rescue(inWriter, s)
	for {
		_ = s.conn.SetWriteDeadline(time.Now().Add(writeDeadline))
		if _, err := s.conn.Write(b); err != nil {
			s.broken()
			return
		}
		_ = s.conn.SetWriteDeadline(time.Time{}) // before another writer may have it again
		if !s.rest() {
			return
		}
		var n int
		if b, n = s.take(b[:0]); n == 0 {
			continue
		}
		ws.m.wrote(n, len(b))
	}
}
