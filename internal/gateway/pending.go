package gateway

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

// pending is a message without ack or error.
type pending struct {
	ref   string
	room  chat.RoomID
	cseq  uint64
	at    int64 // Unix milliseconds
	bytes int32
}

// message publishes a send and remembers it until its ack or error.
func (s *socket) message(f protocol.Frame) {
	if f.ClientMsgID == "" {
		f.ClientMsgID = newMsgID()
	}
	c, partition := s.command(f)
	p := pending{ref: f.ClientMsgID, room: f.Room, cseq: f.ClientSeq, at: s.g.now(), bytes: int32(len(f.Content) + 64)}
	if !s.g.window.acquire(int(p.bytes)) {
		s.fail(f, busy())
		return
	}
	if !s.remember(p) {
		s.g.window.release(int(p.bytes))
		s.fail(f, &chat.Error{Kind: chat.RateLimited, Msg: "too many unanswered messages"})
		return
	}
	room, ref := f.Room, f.ClientMsgID
	err := s.g.publish(partition, &c, func(err error) {
		if err != nil {
			s.undelivered(room, ref, err)
		}
	})
	if err != nil {
		s.undelivered(room, ref, err)
	}
}

// window bounds the commands on their way, so that neither a slow broker nor absent workers fill the memory or the queues.
// What doesn't fit is refused and answered with an error.
type window struct {
	maxN, maxBytes int64
	n, bytes       atomic.Int64
	gn, gbytes     prometheus.Gauge
}

func (w *window) acquire(bytes int) bool {
	n, b := w.n.Add(1), w.bytes.Add(int64(bytes))
	if n > w.maxN || b > w.maxBytes {
		w.release(bytes)
		return false
	}
	return true
}

func (w *window) release(bytes int) {
	w.n.Add(-1)
	w.bytes.Add(-int64(bytes))
}

// show sets the gauges; the ticker calls it.
func (w *window) show() {
	w.gn.Set(float64(w.n.Load()))
	w.gbytes.Set(float64(w.bytes.Load()))
}

// remember notes an unanswered message; false where the socket has too many.
func (s *socket) remember(p pending) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone || len(s.sends) >= s.g.o.SocketWindow {
		return false
	}
	s.sends = append(s.sends, p)
	if len(s.sends) == 1 && s.phase == live {
		// At most once per AnswerTimeout and busy socket: the wheel moves it on to the next ping itself.
		s.g.wheel.bring(s, p.at+s.g.o.AnswerTimeout.Milliseconds())
	}
	return true
}

var records = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// publish encodes a command and hands it to the bus.
func (g *Gateway) publish(partition int, c *envelope.Command, done func(error)) error {
	return g.hand(g.o.Bus.Publish, partition, c, done)
}

func (g *Gateway) hand(to func(int, []byte, func(error)) error, partition int, c *envelope.Command, done func(error)) error {
	c.Gateway = g.o.ID
	if c.At == 0 {
		c.At = g.now()
	}
	p := records.Get().(*[]byte)
	b := c.Append((*p)[:0])
	err := to(partition, b, done)
	if cap(b) <= 64<<10 {
		*p = b[:0]
	}
	records.Put(p)
	return err
}

// answered forgets an unanswered message and frees its place in the window.
func (s *socket) answered(ref string) (p pending, ok bool) {
	s.mu.Lock()
	for i := range s.sends {
		if s.sends[i].ref == ref {
			p, ok = s.sends[i], true
			s.forgetSend(i)
			break
		}
	}
	s.mu.Unlock()
	if ok {
		s.g.window.release(int(p.bytes))
	}
	return p, ok
}

func (s *socket) forgetSend(i int) {
	n := copy(s.sends[i:], s.sends[i+1:])
	s.sends[i+n] = pending{}
	s.sends = s.sends[:i+n]
	if len(s.sends) == 0 && cap(s.sends) > 16 {
		s.sends = nil
	}
}

// undelivered answers a message that the bus couldn't take, once.
func (s *socket) undelivered(room chat.RoomID, ref string, err error) {
	if p, ok := s.answered(ref); ok {
		s.sendError(chat.Wrap(chat.Unavailable, err, ""), protocol.ErrorRef{Ref: ref, Room: room, ClientSeq: p.cseq})
	}
}

// expireSends answers the messages that waited too long and returns when the next one will have; 0 for none.
func (s *socket) expireSends(now int64, sw *hub.Sweep) int64 {
	patience := s.g.o.AnswerTimeout.Milliseconds()
	for len(s.sends) > 0 && s.sends[0].at+patience <= now {
		p := s.sends[0]
		s.forgetSend(0)
		s.g.window.release(int(p.bytes))
		s.g.m.Unanswered.Inc()
		e := chat.E(chat.Unavailable, "no answer in time; send it again with the same client_msg_id")
		if s.pushLocked(errorFrame(e, protocol.ErrorRef{Ref: p.ref, Room: p.room, ClientSeq: p.cseq})) {
			sw.Ready = append(sw.Ready, s)
		}
	}
	if len(s.sends) == 0 {
		return 0
	}
	return s.sends[0].at + patience
}

// forward publishes a command whose answer nobody here waits for; the window holds it until the bus has it.
func (s *socket) forward(f protocol.Frame, c envelope.Command, partition int) {
	size := 64 + 16*len(c.Points) + 9*len(c.Users)
	if !s.g.window.acquire(size) {
		s.fail(f, busy())
		return
	}
	err := s.g.publish(partition, &c, func(err error) {
		s.g.window.release(size)
		if err != nil {
			s.fail(f, chat.Wrap(chat.Unavailable, err, ""))
		}
	})
	if err != nil {
		s.g.window.release(size)
		s.fail(f, chat.Wrap(chat.Unavailable, err, ""))
	}
}

// spend refuses a numbered message for good once the bus has what makes the worker use up its number, in its place among the
// others: a send without content, which the worker answers to nobody.
func (s *socket) spend(f protocol.Frame, e *chat.Error) {
	const size = 64
	if !s.g.window.acquire(size) {
		s.fail(f, busy())
		return
	}
	done := func(err error) {
		s.g.window.release(size)
		if err != nil {
			e = chat.Wrap(chat.Unavailable, err, "")
		}
		s.fail(f, e)
	}
	x := f
	x.ClientMsgID, x.Content = newMsgID(), ""
	c, partition := s.command(x)
	c.Socket = 0
	if err := s.g.publish(partition, &c, done); err != nil {
		done(err)
	}
}

func busy() *chat.Error {
	return &chat.Error{Kind: chat.Unavailable, Msg: "too much is on its way; try again", RetryAfter: time.Second}
}

// newMsgID makes a client_msg_id for a sender who gave none.
func newMsgID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return "g-" + hex.EncodeToString(b[:])
}

var (
	ackStart   = []byte(`{"type":"ack","client_msg_id":"`)
	errorStart = []byte(`{"type":"error",`)
	refStart   = []byte(`"ref":"`)
)

// Answered forgets the message that a worker's frame answers: an ack, or an error with its id.
func (s *socket) Answered(payload []byte) {
	rest, ok := bytes.CutPrefix(payload, ackStart)
	if !ok && bytes.HasPrefix(payload, errorStart) {
		// Inside a JSON string the quotes would be escaped, so this is the member.
		_, rest, ok = bytes.Cut(payload, refStart)
	}
	if !ok {
		return
	}
	if ref, _, ok := bytes.Cut(rest, []byte{'"'}); ok {
		s.answered(string(ref))
	}
}
