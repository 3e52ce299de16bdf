package gateway

import (
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

// handle judges one frame of an authenticated socket and passes it on.
func (s *socket) handle(b []byte) {
	f, err := protocol.Decode(b, s.g.o.Frames)
	if wait, ok := s.pace(); !ok {
		s.fail(f, &chat.Error{Kind: chat.RateLimited, Msg: "too many frames", RetryAfter: wait})
		return
	}
	if err != nil {
		s.g.m.BadFrames.Inc()
		if e := chat.As(err); refusedForGood(f, e) {
			s.message(f)
		} else if f.Type == protocol.TMessage && f.ClientSeq != 0 && f.Room != 0 && len(e.Fields) > 0 {
			s.spend(f, e)
		} else {
			s.fail(f, e)
		}
		if s.bad.add(s.g.now()) {
			s.close(protocol.CloseProtocol, 0)
		}
		return
	}
	switch f.Type {
	case protocol.TPing:
		s.send(s.g.frames.pong)
	case protocol.TAuth:
		s.renew(f.Token)
	case protocol.TMessage:
		s.message(f)
	case protocol.TLeaveRoom:
		s.unsubscribe(f)
	default:
		c, partition := s.command(f)
		s.forward(f, c, partition)
	}
}

func (s *socket) pace() (wait time.Duration, ok bool) {
	ms, over := s.rate.take(s.g.now(), s.g.o.MessagesPerSecond, s.g.o.MessageBurst)
	if over {
		s.close(protocol.CloseRateLimited, 5*time.Second+jitter(5*time.Second))
	}
	return time.Duration(ms) * time.Millisecond, ms == 0
}

// admitFrame spends one frame of the socket's rate; false means that the frame is dropped (and answered by the caller).
func (s *socket) admitFrame() bool {
	_, ok := s.pace()
	return ok
}

// pace is a token bucket of frames, with a count of what it refused lately.
type pace struct {
	at      int64 // Unix milliseconds of the last refill; 0: never
	since   int64 // begin of the refusals counted
	tokens  float32
	refused int32
}

const (
	refusedSpan  = 10_000 // ms in which refusals add up
	refusedTimes = 5      // bursts refused within it that end the socket
)

// take spends one token. Where there is none it returns the milliseconds to wait, and whether it is too much by now.
func (p *pace) take(now int64, perSecond float64, burst int) (wait int64, over bool) {
	if perSecond <= 0 {
		return 0, false
	}
	full := max(float32(burst), 1)
	if p.at == 0 {
		p.tokens = full
	} else {
		p.tokens = min(full, p.tokens+float32(float64(now-p.at)*perSecond/1000))
	}
	p.at = now
	if p.tokens >= 1 {
		p.tokens--
		return 0, false
	}
	if now-p.since > refusedSpan {
		p.since, p.refused = now, 0
	}
	p.refused++
	return max(int64(float64(1-p.tokens)*1000/perSecond), 1), float32(p.refused) > refusedTimes*full
}

// command maps a frame to the command that it asks for, and its partition.
func (s *socket) command(f protocol.Frame) (c envelope.Command, partition int) {
	c = envelope.Command{Socket: s.id, User: s.user, Session: s.session, Room: f.Room, Seq: f.Seq, Ref: f.Ref}
	partition = f.Room.Partition(s.g.o.Partitions)
	switch f.Type {
	case protocol.TMessage:
		c.Kind, c.ClientMsgID, c.ClientSeq, c.Content = envelope.Send, f.ClientMsgID, f.ClientSeq, f.Content
	case protocol.TRead:
		c.Kind = envelope.Read
	case protocol.TTyping:
		c.Kind = envelope.Typing
	case protocol.TJoinRoom:
		c.Kind = envelope.Join
	case protocol.TSync:
		c.Kind, partition = envelope.Sync, s.user.Partition(s.g.o.Partitions)
		for _, p := range f.Sync {
			c.Points = append(c.Points, envelope.Point{Room: p.Room, Seq: p.Seq, Epoch: p.Epoch})
		}
	case protocol.TPresence:
		c.Kind, partition = envelope.Watch, s.user.Partition(s.g.o.Partitions)
		c.Users = f.Users
	}
	return c, partition
}

// refusedForGood tells that a numbered message is right but for its content: the worker refuses it, because that uses up the
// number.
func refusedForGood(f protocol.Frame, e *chat.Error) bool {
	named := f.ClientMsgID == "" || chat.CheckClientMsgID(f.ClientMsgID) == nil
	return f.Type == protocol.TMessage && f.ClientSeq != 0 && f.Room != 0 && named &&
		(e.Kind == chat.TooLarge || e.Kind == chat.Invalid && len(e.Fields) == 1 && e.Fields[0].Field == "content")
}

// unsubscribe stops a room's live delivery to this socket.
func (s *socket) unsubscribe(f protocol.Frame) {
	var sw hub.Sweep
	if !s.g.hub.Leave(&sw, s, f.Room) {
		s.fail(f, chat.E(chat.NotFound, "this connection doesn't receive that room"))
	}
	s.g.writers.flush(&sw)
}

// renew extends a live socket by a newer token of its user. It is answered only by what goes wrong.
func (s *socket) renew(token string) {
	c, err := s.g.o.Verifier.Verify(token)
	switch {
	case err != nil:
		s.close(tokenCode(err), 0)
	case c.User != s.user:
		s.close(protocol.CloseProtocol, 0)
	default:
		s.expiry.Store(c.ExpiresAt.UnixMilli())
	}
}

// fail answers a frame with an error.
func (s *socket) fail(f protocol.Frame, e *chat.Error) {
	ref := protocol.ErrorRef{Ref: string(f.Type), Room: f.Room, ClientSeq: f.ClientSeq}
	switch {
	case f.ClientMsgID != "" && chat.CheckClientMsgID(f.ClientMsgID) == nil:
		ref.Ref = f.ClientMsgID
	case f.Ref != "" && len(f.Ref) <= 64:
		ref.Ref = f.Ref
	case len(ref.Ref) > 64:
		ref.Ref = ref.Ref[:64]
	}
	s.sendError(e, ref)
}

func (s *socket) sendError(e *chat.Error, ref protocol.ErrorRef) { s.send(errorFrame(e, ref)) }

func errorFrame(e *chat.Error, ref protocol.ErrorRef) hub.Frame {
	return hub.Text(protocol.AppendError(nil, e, ref))
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
