package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

// pending is a send without ack or error. Sends are few per socket and mostly answered in order, so they stand in a
// slice.
type pending struct {
	ref   protocol.ErrorRef // Ref is the client_msg_id, which the answer names
	at    int64             // Unix milliseconds
	bytes int32
}

// await publishes a send and remembers it until it is answered: by the worker, by the bus, or by the timeout. So no
// send stays without an answer for longer than AnswerTimeout.
func (s *socket) await(c *envelope.Command, partition int) {
	p := pending{
		ref: protocol.ErrorRef{Ref: c.ClientMsgID, Room: c.Room, ClientSeq: c.ClientSeq},
		at:  s.g.o.Now().UnixMilli(), bytes: int32(size(c)),
	}
	if !s.g.window.acquire(int(p.bytes)) {
		s.sendError(busy(), p.ref)
		return
	}
	if !s.remember(p) {
		s.g.window.release(int(p.bytes))
		s.sendError(&chat.Error{Kind: chat.RateLimited, Msg: "too many unanswered messages"}, p.ref)
		return
	}
	id := c.ClientMsgID
	undelivered := func(err error) {
		if err != nil {
			s.undelivered(id, err)
		}
	}
	if err := s.g.publish(partition, c, undelivered); err != nil {
		undelivered(err)
	}
}

// size is what a command counts in the window.
func size(c *envelope.Command) int { return 64 + len(c.Content) + 16*len(c.Points) + 9*len(c.Users) }

// window bounds the commands that are published and not confirmed or answered, so that neither a slow broker nor
// missing workers fill the memory or the queues. What doesn't fit is refused and answered with an error.
type window struct {
	maxN, maxBytes int64
	n, bytes       atomic.Int64
	gn, gbytes     prometheus.Gauge
}

// acquire takes room for a command of this size; false if there is none. Every success needs one release, whichever way
// the command ends: confirmed, answered, expired, or with its socket.
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

// busy is the error for a command that the window has no room for.
func busy() *chat.Error {
	return &chat.Error{Kind: chat.Unavailable, Msg: "too many commands are in flight; try again", RetryAfter: time.Second}
}

// remember notes an unanswered send; false if the socket has too many.
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

// publish encodes a command for a partition and passes it to the bus. done is as for Bus.Publish.
func (g *Gateway) publish(partition int, c *envelope.Command, done func(error)) error {
	return g.publishBy(g.o.Bus.Publish, partition, c, done)
}

// publishBy is publish with a choice between Bus.Publish and Bus.PublishBatched. It sets what every command carries:
// the gateway, and when the command was taken. The record's buffer is reused, because the bus copies it.
func (g *Gateway) publishBy(
	publish func(int, []byte, func(error)) error, partition int, c *envelope.Command, done func(error),
) error {
	c.Gateway = g.o.ID
	if c.At == 0 {
		c.At = g.o.Now().UnixMilli()
	}
	p := records.Get().(*[]byte)
	b := c.Append((*p)[:0])
	err := publish(partition, b, done)
	if cap(b) <= 64<<10 {
		*p = b[:0]
	}
	records.Put(p)
	return err
}

// Answered notes that an ack or an error for the send with this client_msg_id is being queued. An empty ref answers
// nothing.
func (s *socket) Answered(ref string) {
	if ref != "" {
		s.answered(ref)
	}
}

// answered forgets an unanswered send and frees its place in the window.
func (s *socket) answered(ref string) (p pending, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.sends {
		if s.sends[i].ref.Ref == ref {
			p = s.sends[i]
			s.forgetSend(i)
			s.g.window.release(int(p.bytes))
			return p, true
		}
	}
	return p, false
}

// forgetSend removes one unanswered send and keeps the order of the others. The caller holds s.mu and releases the
// window.
func (s *socket) forgetSend(i int) {
	n := copy(s.sends[i:], s.sends[i+1:])
	s.sends[i+n] = pending{}
	s.sends = s.sends[:i+n]
	if len(s.sends) == 0 && cap(s.sends) > 16 {
		s.sends = nil
	}
}

// undelivered answers a send that the bus couldn't take, unless it was answered already.
func (s *socket) undelivered(ref string, err error) {
	defer s.g.rescue(inAnswer)
	if p, ok := s.answered(ref); ok {
		s.sendError(chat.Wrap(chat.Unavailable, err, ""), p.ref)
	}
}

// expireSends answers the sends that have waited too long and returns when the next one will have, in Unix
// milliseconds; 0 if there is none. The caller holds s.mu.
func (s *socket) expireSends(now int64, sw *hub.Sweep) int64 {
	patience := s.g.o.AnswerTimeout.Milliseconds()
	for len(s.sends) > 0 && s.sends[0].at+patience <= now {
		p := s.sends[0]
		s.forgetSend(0)
		s.g.window.release(int(p.bytes))
		s.g.m.Unanswered.Inc()
		e := chat.E(chat.Unavailable, "no answer in time; send it again with the same client_msg_id")
		if s.pushLocked(errorFrame(e, p.ref)) {
			sw.Ready = append(sw.Ready, s)
		}
	}
	if len(s.sends) == 0 {
		return 0
	}
	return s.sends[0].at + patience
}

// forward publishes a command that isn't awaited here: its answer, if there is one, is the worker's. The window holds
// it until the bus has it, and then the client gets the refusal, if there is one.
func (s *socket) forward(c *envelope.Command, partition int, r *refusal) {
	n, ref := size(c), protocol.ErrorRef{Ref: c.ErrorRef, Room: c.Room, ClientSeq: c.ClientSeq}
	if r != nil {
		ref = r.ref
	}
	if !s.g.window.acquire(n) {
		s.sendError(busy(), ref)
		return
	}
	done := func(err error) {
		defer s.g.rescue(inAnswer)
		s.g.window.release(n)
		switch {
		case err != nil:
			s.sendError(chat.Wrap(chat.Unavailable, err, ""), ref)
		case r != nil:
			s.sendError(r.err, ref)
		}
	}
	if err := s.g.publish(partition, c, done); err != nil {
		done(err)
	}
}
