package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/bounds"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

// admission is what becomes of a type of client frame: it is handled here, or a command is published for it, in the
// partition that its key decides.
type admission struct {
	handle func(*socket, protocol.Frame)
	kind   envelope.CommandKind
	key    envelope.Key
}

// admissions joins the registries: the frames that the gateway handles itself, and those that a command's row names.
// A frame and a command that are added to the registries need nothing here; a test proves that no client frame is
// missing.
func admissions() map[protocol.Type]admission {
	m := map[protocol.Type]admission{
		protocol.TPing:      {handle: (*socket).pong},
		protocol.TAuth:      {handle: (*socket).renew},
		protocol.TLeaveRoom: {handle: (*socket).unsubscribe},
	}
	for _, c := range envelope.Commands() {
		for _, f := range c.Frames {
			if _, taken := m[protocol.Type(f)]; !taken { // a message becomes a Send, or what forward makes of it
				m[protocol.Type(f)] = admission{kind: c.Kind, key: c.Key}
			}
		}
	}
	return m
}

// Handled lists the types of client frames that the gateway handles itself, for a test that compares tables
// (internal/test/tables).
func Handled() (types []protocol.Type) {
	for typ, a := range admissions() {
		if a.handle != nil {
			types = append(types, typ)
		}
	}
	return types
}

// handle decodes one frame of an authenticated socket, checks its rate and passes it on.
func (s *socket) handle(b []byte) {
	f, err := protocol.Decode(b, s.g.o.Frames, s.features)
	switch wait := s.pace(f.Type == protocol.TMessage || f.Type.Changes()); {
	case wait > 0:
		s.tooFast(&f, wait)
	case err != nil:
		s.refuse(&f, chat.As(err))
	default:
		s.admit(&f)
	}
}

// pace spends one frame of the socket's rate, and one of its user's messages or other frames. Where none is left it returns
// how long to wait.
func (s *socket) pace(message bool) (wait time.Duration) {
	now := s.g.o.Now().UnixNano()
	if wait = take(&s.frames.Used, now, s.g.frameRate); wait > 0 {
		s.overran(now)
	} else if message {
		wait = take(&s.held.User.Used, now, s.g.userRate)
	} else {
		wait = take(&s.held.User.Others, now, s.g.otherRate)
	}
	return wait
}

// take spends one of what is used up to a time, in Unix nanoseconds, or returns how long until there is one (chat.Rate.Take).
func take(used *atomic.Int64, now int64, r bounds.Pace) time.Duration {
	for r.Step > 0 {
		was := used.Load()
		then := max(was, now) + r.Step
		if wait := then - now - r.Room; wait > 0 || used.CompareAndSwap(was, then) {
			return time.Duration(max(wait, 0))
		}
	}
	return 0
}

// admit has a valid frame handled here, or publishes the command that it asks for.
func (s *socket) admit(f *protocol.Frame) {
	a, ok := s.g.admissions[f.Type]
	if a.handle != nil {
		a.handle(s, *f)
		return
	}
	if !ok { // a mixed build: the protocol knows a type that these registries don't
		s.sendError(chat.E(chat.Unavailable, "this gateway can't serve %s yet; try again", f.Type), errorRef(f))
		return
	}
	if a.kind == envelope.Send && f.ClientMsgID == "" {
		f.ClientMsgID = newMsgID()
	}
	c := s.command(f, a.kind)
	if c.Kind == envelope.Send && c.Data == "" && c.ReplyTo == 0 {
		s.await(&c, s.partition(a.key, f.Room), c.ClientMsgID)
		return
	}
	s.ask(f, &c, s.partition(a.key, f.Room))
}

// newMsgID makes a client_msg_id for a sender who gave none.
func newMsgID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return "g-" + hex.EncodeToString(b[:])
}

// command copies a frame's fields into a command. What the frame's type doesn't have is zero in both.
func (s *socket) command(f *protocol.Frame, kind envelope.CommandKind) envelope.Command {
	c := envelope.Command{
		Kind: kind, Socket: s.id, User: s.user, Session: s.session,
		Room: f.Room, ClientMsgID: f.ClientMsgID, ClientSeq: f.ClientSeq, Content: f.Content,
		Data: f.Data, ReplyTo: f.ReplyTo, Seq: f.Seq, Users: f.Users, Ref: f.Ref,
	}
	for _, p := range f.Sync {
		c.Points = append(c.Points, envelope.Point(p))
	}
	return c
}

// errorRef is what an error about a frame refers to: its client_msg_id, its ref or its change_id if it has a valid one, else its
// type.
func errorRef(f *protocol.Frame) protocol.ErrorRef {
	ref := protocol.ErrorRef{Ref: string(f.Type), Room: f.Room, ClientSeq: f.ClientSeq}
	switch {
	case f.ClientMsgID != "" && chat.CheckClientMsgID(f.ClientMsgID) == nil:
		ref.Ref = f.ClientMsgID
	case f.Ref != "" && len(f.Ref) <= maxRef:
		ref.Ref = f.Ref
	case f.ChangeID != "" && chat.CheckChangeID(f.ChangeID) == nil:
		ref.Ref = f.ChangeID
	case len(ref.Ref) > maxRef:
		ref.Ref = ref.Ref[:maxRef]
	}
	return ref
}

const maxRef = 64 // bytes

// partition returns where a command of this key travels.
func (s *socket) partition(key envelope.Key, room chat.RoomID) int {
	switch key {
	case envelope.ByRoom:
		return room.Partition(s.g.o.Partitions)
	case envelope.BySocket:
		return s.g.connectPartition(s.id)
	default: // a client's frame concerns a room or the user
		return s.user.Partition(s.g.o.Partitions)
	}
}

// pending is a send or a change without answer. They are few per socket and mostly answered in order, so they stand in
// a slice.
type pending struct {
	ref   protocol.ErrorRef // Ref is the client_msg_id, or what else the answer names
	at    int64             // Unix milliseconds
	bytes int32
}

// await publishes a send or a change and remembers it by what its answers name until it is answered: by the worker, by
// the bus, or by the timeout. So none stays without an answer for longer than AnswerTimeout.
func (s *socket) await(c *envelope.Command, partition int, id string) {
	p := pending{
		ref: protocol.ErrorRef{Ref: id, Room: c.Room, ClientSeq: c.ClientSeq},
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
func size(c *envelope.Command) int {
	return 64 + len(c.Content) + len(c.Data) + 16*len(c.Points) + 9*len(c.Users)
}

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

// bring is move, unless s will be looked at earlier anyway.
func (w *wheel) bring(s *socket, due int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.slot != 0 {
		ahead := (int64(s.slot-1) - w.done%wheelSlots + wheelSlots) % wheelSlots
		if (w.done+ahead)*tickMS <= due {
			return
		}
	}
	w.put(s, due)
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

func (s *socket) pong(protocol.Frame) { s.send(s.g.frames.pong) }

// renew extends a live socket by a newer token of its user. Only a token that can't be used is answered, by a close
// code. Whether the token's session has ended only the workers know: they are shown it as in the rounds, and close the
// socket if so.
func (s *socket) renew(f protocol.Frame) {
	c, err := s.g.o.Verifier.Verify(f.Token)
	switch {
	case err != nil:
		s.close(tokenCode(err), 0)
	case c.User != s.user:
		s.close(protocol.CloseProtocol, 0)
	default:
		s.mu.Lock()
		if s.renewed = c.Session; c.Session == s.session {
			s.renewed = ""
		}
		s.mu.Unlock()
		s.expiry.Store(c.ExpiresAt.UnixMilli())
		show := envelope.Command{Kind: envelope.Show, Users: []chat.UserID{s.user}, Sessions: []chat.SessionID{c.Session}}
		_ = s.g.publish(s.user.Partition(s.g.o.Partitions), &show, nil) // the next round shows it again
	}
}

// renewedBy is the session whose token extended the socket, "" if that is its own.
func (s *socket) renewedBy() chat.SessionID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renewed
}

// unsubscribe stops a room's live delivery to this socket.
func (s *socket) unsubscribe(f protocol.Frame) {
	var sw hub.Sweep
	if !s.g.hub.Leave(&sw, s, f.Room) {
		s.sendError(chat.E(chat.NotFound, "this connection doesn't receive that room"), errorRef(&f))
	}
	s.g.writers.flush(&sw)
}
