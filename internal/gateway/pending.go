package gateway

import (
	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

// show sets the gauges; the ticker calls it.
func (w *window) show() {
	w.gn.Set(float64(w.n.Load()))
	w.gbytes.Set(float64(w.bytes.Load()))
}

// ask publishes what isn't a plain message. Changes, and messages with more than a text, are awaited as plain messages
// are.
func (s *socket) ask(f *protocol.Frame, c *envelope.Command, partition int) {
	switch c.Kind {
	case envelope.Send:
		c.Kind = envelope.SendMore
	case envelope.Change:
		if f.ChangeID == "" {
			f.ChangeID = newMsgID()
		}
		c.Change = asked(f)
		if c.Change.What == chat.ChangeReaction {
			if wait := s.g.bounds.React(c.Room, s.state.In(c.Room)); wait > 0 {
				s.crowded(f, wait)
				return
			}
		}
	default:
		c.ErrorRef = errorRef(f).Ref
		s.forward(c, partition, nil)
		return
	}
	c.ErrorRef = errorRef(f).Ref
	s.await(c, partition, c.ErrorRef)
}

var changeKinds = map[protocol.Type]chat.ChangeKind{
	protocol.TEdit: chat.ChangeEdit, protocol.TRecall: chat.ChangeRecall, protocol.TReact: chat.ChangeReaction, protocol.TPin: chat.ChangePin,
}

// asked is what a frame asks to be changed.
func asked(f *protocol.Frame) envelope.Asked {
	return envelope.Asked{
		What: changeKinds[f.Type], ID: f.ChangeID, Key: f.Key, On: !f.Off && (f.Type == protocol.TReact || f.Type == protocol.TPin),
		IfVersion: f.IfVersion, HasContent: f.HasContent, HasData: f.HasData,
	}
}

// undelivered answers a send that the bus couldn't take, unless it was answered already.
func (s *socket) undelivered(ref string, err error) {
	defer s.g.rescue(inAnswer, nil)
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
		e := chat.E(chat.Unavailable, "no answer in time; send it again with the same client_msg_id or change_id")
		if s.pushLocked(errorFrame(e, p.ref)) {
			sw.Ready = append(sw.Ready, s)
		}
	}
	if len(s.sends) == 0 {
		return 0
	}
	return s.sends[0].at + patience
}
