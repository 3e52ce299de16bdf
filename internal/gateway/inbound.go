package gateway

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

var records = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// publish encodes a command and hands it to the bus.
func (g *Gateway) publish(partition int, c *envelope.Command, done func(error)) error {
	return g.hand(g.o.Bus.Publish, partition, c, done)
}

// tell publishes that a socket comes, is there, or goes, in the order of the calls for each socket.
func (g *Gateway) tell(c *envelope.Command, done func(error)) error {
	return g.hand(g.o.Bus.Together, g.doorOf(c.Socket), c, done)
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

// socketRun is how many sockets that came one after another share a partition.
const socketRun = 128

// doorOf is the partition in which a socket's coming and going is told. It follows the socket, not its user, so that those who
// come together travel together: by users, a storm of connects would be an AMQP message for nearly each.
func (g *Gateway) doorOf(id chat.SocketID) int {
	return chat.PartitionOf(g.salt+uint64(id)/socketRun, g.o.Partitions)
}

// nextDoor leaves a partition that doesn't let a socket in to those who are there: others take the next one.
func (g *Gateway) nextDoor(id chat.SocketID) {
	if n := g.numbers.Load(); n/socketRun == uint64(id)/socketRun {
		g.numbers.CompareAndSwap(n, (n/socketRun+1)*socketRun)
	}
}

// admitFrame spends one frame of the socket's rate; false means that the frame is dropped (and answered by the caller).
func (s *session) admitFrame() bool {
	_, ok := s.pace()
	return ok
}

func (s *session) pace() (wait time.Duration, ok bool) {
	ms, over := s.rate.take(s.g.now(), s.g.o.MessagesPerSecond, s.g.o.MessageBurst)
	if over {
		s.close(protocol.CloseRateLimited, 5*time.Second+jitter(5*time.Second))
	}
	return time.Duration(ms) * time.Millisecond, ms == 0
}

// handle judges one frame of an authenticated socket and passes it on.
func (s *session) handle(b []byte) {
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

// refusedForGood tells that a numbered message is right but for its content: the worker refuses it, because that uses up the
// number.
func refusedForGood(f protocol.Frame, e *chat.Error) bool {
	named := f.ClientMsgID == "" || chat.CheckClientMsgID(f.ClientMsgID) == nil
	return f.Type == protocol.TMessage && f.ClientSeq != 0 && f.Room != 0 && named &&
		(e.Kind == chat.TooLarge || e.Kind == chat.Invalid && len(e.Fields) == 1 && e.Fields[0].Field == "content")
}

// spend refuses a numbered message for good once the bus has what makes the worker use up its number, in its place among the
// others: a send without content, which the worker answers to nobody.
func (s *session) spend(f protocol.Frame, e *chat.Error) {
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

// command maps a frame to the command that it asks for, and its partition.
func (s *session) command(f protocol.Frame) (c envelope.Command, partition int) {
	c = envelope.Command{Socket: s.id, User: s.user, Session: s.login, Room: f.Room, Seq: f.Seq, Ref: f.Ref}
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

// forward publishes a command whose answer nobody here waits for; the window holds it until the bus has it.
func (s *session) forward(f protocol.Frame, c envelope.Command, partition int) {
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

func busy() *chat.Error {
	return &chat.Error{Kind: chat.Unavailable, Msg: "too much is on its way; try again", RetryAfter: time.Second}
}

// message publishes a send and remembers it until its ack or error.
func (s *session) message(f protocol.Frame) {
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

// newMsgID makes a client_msg_id for a sender who gave none.
func newMsgID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return "g-" + hex.EncodeToString(b[:])
}

// remember notes an unanswered message; false where the socket has too many.
func (s *session) remember(p pending) bool {
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

// undelivered answers a message that the bus couldn't take, once.
func (s *session) undelivered(room chat.RoomID, ref string, err error) {
	if p, ok := s.answered(ref); ok {
		s.sendError(chat.Wrap(chat.Unavailable, err, ""), protocol.ErrorRef{Ref: ref, Room: room, ClientSeq: p.cseq})
	}
}

// answered forgets an unanswered message and frees its place in the window.
func (s *session) answered(ref string) (p pending, ok bool) {
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

func (s *session) forgetSend(i int) {
	n := copy(s.sends[i:], s.sends[i+1:])
	s.sends[i+n] = pending{}
	s.sends = s.sends[:i+n]
	if len(s.sends) == 0 && cap(s.sends) > 16 {
		s.sends = nil
	}
}

// expireSends answers the messages that waited too long and returns when the next one will have; 0 for none.
func (s *session) expireSends(now int64, sw *hub.Sweep) int64 {
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

var (
	ackStart   = []byte(`{"type":"ack","client_msg_id":"`)
	errorStart = []byte(`{"type":"error",`)
	refStart   = []byte(`"ref":"`)
)

// Answered forgets the message that a worker's frame answers: an ack, or an error with its id.
func (s *session) Answered(payload []byte) {
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

// unsubscribe stops a room's live delivery to this socket.
func (s *session) unsubscribe(f protocol.Frame) {
	var sw hub.Sweep
	if !s.g.hub.Leave(&sw, s, f.Room) {
		s.fail(f, chat.E(chat.NotFound, "this connection doesn't receive that room"))
	}
	s.g.writers.flush(&sw)
}

// Recall asks for a room that the session's user was added to, in the client's place: it is answered by joined where he is a
// member, and by nothing else. What is lost is asked for again after the next digest.
func (s *session) Recall(room chat.RoomID) {
	if !s.present() {
		return
	}
	c := envelope.Command{Kind: envelope.Join, Socket: s.id, User: s.user, Session: s.login, Room: room, Repair: true}
	_ = s.g.publish(room.Partition(s.g.o.Partitions), &c, nil)
}

// renew extends a live socket by a newer token of its user. It is answered only by what goes wrong.
func (s *session) renew(token string) {
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
func (s *session) fail(f protocol.Frame, e *chat.Error) {
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

func (s *session) sendError(e *chat.Error, ref protocol.ErrorRef) { s.send(errorFrame(e, ref)) }

func errorFrame(e *chat.Error, ref protocol.ErrorRef) hub.Frame {
	return hub.Text(protocol.AppendError(nil, e, ref))
}
