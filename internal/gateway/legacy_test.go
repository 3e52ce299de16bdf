package gateway

import (
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// TestAnswersOfTheReleaseBefore: its workers leave Ref empty, and the bytes say which send they answer.
func TestAnswersOfTheReleaseBefore(t *testing.T) {
	gt := newGate(t, []envelope.CommandKind{envelope.Send}, nil)
	s := gt.login(1)
	s.sends("m0", "m1", "m2", "m3")
	to := envelope.Delivery{Kind: envelope.ToSocket, Gateway: "g1.boot", Socket: gt.sockets.all()[0].id}
	m := func(id string, seq chat.Seq) chat.Message {
		return chat.Message{Room: testRoom, Seq: seq, ClientMsgID: id}
	}

	entry := to
	entry.Kind, entry.Room, entry.Epoch, entry.Seq = envelope.InRoom, testRoom, 1, 6
	entry.Frame, entry.Ack = protocol.AppendMessage(nil, m("m0", 6)), protocol.AppendAck(nil, m("m1", 6), 3, false)
	gt.deliver(entry)
	s.want("ack")
	unanswered(t, gt, "m0", "m2", "m3")

	duplicate := to
	duplicate.Frame = protocol.AppendAck(nil, m("m0", 2), 0, true)
	gt.deliver(duplicate)
	s.want("ack")
	unanswered(t, gt, "m2", "m3")

	refusal := to
	refusal.Frame = protocol.AppendError(nil, chat.E(chat.Muted, `says "ref":"m3"`), protocol.ErrorRef{Ref: "m2", Room: testRoom})
	gt.deliver(refusal)
	s.want("error")
	unanswered(t, gt, "m3")

	other := to
	other.Frame = protocol.AppendError(nil, chat.E(chat.NotFound, ""), protocol.ErrorRef{Ref: "read"})
	gt.deliver(other)
	s.want("error")
	unanswered(t, gt, "m3")
}
