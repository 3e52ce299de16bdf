package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
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
		if c.Frame != "" {
			m[protocol.Type(c.Frame)] = admission{kind: c.Kind, key: c.Key}
		}
	}
	return m
}

// handle decodes one frame of an authenticated socket, checks its rate and passes it on.
func (s *socket) handle(b []byte) {
	f, err := protocol.Decode(b, s.g.o.Frames)
	switch wait, ok := s.pace(); {
	case !ok:
		s.sendError(&chat.Error{Kind: chat.RateLimited, Msg: "too many frames", RetryAfter: wait}, errorRef(&f))
	case err != nil:
		s.refuse(&f, chat.As(err))
	default:
		s.admit(&f)
	}
}

// pace spends one frame of the socket's rate. Where none is left it returns how long to wait, and too many refusals
// in a row close the socket.
func (s *socket) pace() (wait time.Duration, ok bool) {
	ms, over := s.rate.take(s.g.o.Now().UnixMilli(), s.g.o.MessagesPerSecond, s.g.o.MessageBurst)
	if over {
		s.close(protocol.CloseRateLimited, 5*time.Second+jitter(5*time.Second))
	}
	return time.Duration(ms) * time.Millisecond, ms == 0
}

// pace is a token bucket of frames, with a count of what it refused lately.
type pace struct {
	at      int64 // Unix milliseconds of the last refill; 0: never
	since   int64 // when the first of the counted refusals was, in Unix milliseconds
	tokens  float32
	refused int32
}

const (
	refusedSpan  = 10_000 // ms in which refusals add up
	refusedTimes = 5      // bursts refused within it that end the socket
)

// take spends one token. Where there is none it returns the milliseconds to wait, and whether too many were refused
// lately.
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
	if c.Kind == envelope.Send {
		s.await(&c, s.partition(a.key, f.Room))
	} else {
		s.forward(&c, s.partition(a.key, f.Room), nil)
	}
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
		Kind: kind, Socket: s.id, User: s.user, Session: s.session, ErrorRef: errorRef(f).Ref,
		Room: f.Room, ClientMsgID: f.ClientMsgID, ClientSeq: f.ClientSeq, Content: f.Content,
		Seq: f.Seq, Users: f.Users, Ref: f.Ref,
	}
	for _, p := range f.Sync {
		c.Points = append(c.Points, envelope.Point(p))
	}
	return c
}

// errorRef is what an error about a frame refers to: its client_msg_id or its ref if it has a valid one, else its type.
func errorRef(f *protocol.Frame) protocol.ErrorRef {
	ref := protocol.ErrorRef{Ref: string(f.Type), Room: f.Room, ClientSeq: f.ClientSeq}
	switch {
	case f.ClientMsgID != "" && chat.CheckClientMsgID(f.ClientMsgID) == nil:
		ref.Ref = f.ClientMsgID
	case f.Ref != "" && len(f.Ref) <= maxRef:
		ref.Ref = f.Ref
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

// refuse answers a frame that can't be decoded or has bad values. If it was a numbered message, the worker must see
// it all the same: a message that is refused for good uses up its client_seq, and only the worker counts those.
func (s *socket) refuse(f *protocol.Frame, e *chat.Error) {
	s.g.m.BadFrames.Inc()
	numbered := f.Type == protocol.TMessage && f.ClientSeq != 0 && f.Room != 0
	switch {
	case numbered && badContentOnly(f, e):
		s.admit(f) // the worker refuses it
	case numbered && len(e.Fields) > 0:
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

func (s *socket) sendError(e *chat.Error, ref protocol.ErrorRef) { s.send(errorFrame(e, ref)) }

func errorFrame(e *chat.Error, ref protocol.ErrorRef) hub.Frame {
	return hub.Text(protocol.AppendError(nil, e, ref))
}
