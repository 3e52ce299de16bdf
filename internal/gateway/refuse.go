package gateway

import (
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/bounds"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/gateway/inlet"
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
	if s.bad.Over(s.g.o.Now().UnixMilli(), time.Minute, bounds.BadPerMinute) {
		s.close(protocol.CloseProtocol, 0)
	}
}

// refusal is an error and what it refers to.
type refusal struct {
	err *chat.Error
	ref protocol.ErrorRef
}

// badContentOnly reports whether a plain message is valid but for its content.
func badContentOnly(f *protocol.Frame, e *chat.Error) bool {
	return f.Data == "" && f.ReplyTo == 0 && (f.ClientMsgID == "" || chat.CheckClientMsgID(f.ClientMsgID) == nil) &&
		(e.Kind == chat.TooLarge || e.Kind == chat.Invalid && len(e.Fields) == 1 && e.Fields[0].Field == "content")
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

// tooFast answers a frame that came too soon after others: of the socket, or of its user's.
func (s *socket) tooFast(f *protocol.Frame, wait time.Duration) {
	if !s.frames.Over && s.g.bounds.Refused(&s.held, f.Type == protocol.TMessage || f.Type.Changes()) {
		s.bar()
	}
	s.frames.Over = false
	s.sendError(&chat.Error{Kind: chat.RateLimited, Msg: "too many frames or messages", RetryAfter: wait}, errorRef(f))
}

const (
	// crowdPause is for how long the sockets of a crowd aren't read, and ignoredPause for how long those that come back before their time.
	crowdPause   = 250 * time.Millisecond
	ignoredPause = time.Second
)

// crowded answers a reaction that came while its room's members react too often. It isn't counted against its sender. The socket is read
// on after a pause, unless more is here already: so what a crowd sends is read, and answered, several frames at a time: reading and
// writing is most of what they cost.
func (s *socket) crowded(f *protocol.Frame, wait time.Duration) {
	now, pause := s.g.o.Now(), crowdPause
	if now.UnixMilli() < s.crowdedTill {
		pause = ignoredPause
	} else {
		wait += jitter(chat.CrowdWait)
		s.crowdedTill = now.Add(wait).UnixMilli()
	}
	wait = max(wait, time.Duration(s.crowdedTill-now.UnixMilli())*time.Millisecond)
	e := &chat.Error{Kind: chat.RateLimited, Msg: "too many reactions in this room", RetryAfter: wait}
	var sw hub.Sweep
	sw.PutLater(s, errorFrame(e, errorRef(f)))
	s.g.writers.flush(&sw)
	if s.in.Waiting() > 0 {
		return
	}
	if s.raw != nil {
		inlet.Deafen(s.raw, true)
		defer inlet.Deafen(s.raw, false)
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.g.stop:
	}
}

// overran counts a frame beyond the socket's rate; too many within a while close it.
func (s *socket) overran(now int64) {
	s.g.m.Bounds.Frames.Inc()
	if s.frames.Overran(now, s.g.o.MessageBurst) {
		s.bar()
	}
}

// bar closes a socket that floods, and holds its user to the time that the close names.
func (s *socket) bar() {
	s.close(protocol.CloseRateLimited, s.g.bounds.Bar(&s.held, 5*time.Second+jitter(5*time.Second)))
}
