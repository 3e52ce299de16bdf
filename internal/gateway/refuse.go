package gateway

import (
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

// refuse answers a frame that can't be decoded or has bad values. If it was a numbered message, the worker must see
// it all the same: a message that is refused for good uses up its client_seq, and only the worker counts those. That is so for a
// message that is no JSON, too: its sender gets an error about it, and goes on with the next number.
func (s *socket) refuse(f *protocol.Frame, e *chat.Error) {
	s.g.m.BadFrames.Inc()
	numbered := f.Type == protocol.TMessage && f.ClientSeq != 0 && f.Room != 0
	switch {
	case numbered && badContentOnly(f, e):
		s.admit(f) // the worker refuses it
	case numbered:
		// The error goes out once the bus has a send without content, which the worker answers to nobody.
		x := protocol.Frame{Type: f.Type, Room: f.Room, ClientSeq: f.ClientSeq, ClientMsgID: newMsgID()}
		c := s.command(&x, envelope.Send)
		c.Socket = 0
		s.forward(&c, s.partition(envelope.ByRoom, f.Room), &refusal{e, errorRef(f)})
	default:
		s.sendError(e, errorRef(f))
	}
	if s.bad.add(s.g.o.Now().UnixMilli()) {
		s.close(protocol.CloseProtocol, 0)
	}
}

// refusal is an error and what it refers to.
type refusal struct {
	err *chat.Error
	ref protocol.ErrorRef
}

// badContentOnly reports whether a message is valid but for its content.
func badContentOnly(f *protocol.Frame, e *chat.Error) bool {
	return (f.ClientMsgID == "" || chat.CheckClientMsgID(f.ClientMsgID) == nil) &&
		(e.Kind == chat.TooLarge || e.Kind == chat.Invalid && len(e.Fields) == 1 && e.Fields[0].Field == "content")
}

// tally counts bad frames by the minute.
type tally struct {
	since int64
	n     int32
}

const badPerMinute = 20

// add counts one; true means that there were too many.
func (t *tally) add(now int64) bool {
	if now-t.since > 60_000 {
		t.since, t.n = now, 0
	}
	t.n++
	return t.n > badPerMinute
}

func (s *socket) sendError(e *chat.Error, ref protocol.ErrorRef) { s.send(errorFrame(e, ref)) }

func errorFrame(e *chat.Error, ref protocol.ErrorRef) hub.Frame {
	return hub.Text(protocol.AppendError(nil, e, ref))
}

// busy is the error for a command that the window has no room for.
func busy() *chat.Error {
	return &chat.Error{Kind: chat.Unavailable, Msg: "too many commands are in flight; try again", RetryAfter: time.Second}
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
		defer s.g.rescue(inAnswer, nil)
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

const (
	refusedSpan  = 10_000 // ms in which refusals add up
	refusedTimes = 5      // bursts refused within it that end the socket
)

// refuse counts a refusal; true means that there were too many lately.
func (p *pace) refuse(now int64, full float32) bool {
	if now-p.since > refusedSpan {
		p.since, p.refused = now, 0
	}
	p.refused++
	return float32(p.refused) > refusedTimes*full
}
