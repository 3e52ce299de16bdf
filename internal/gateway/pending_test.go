package gateway

import (
	"slices"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// answers are what a worker says to sends m1 (ack) and m2 (error), in frames whose bytes name the other one.
func answers(socket chat.SocketID) []envelope.Delivery {
	ack := protocol.AppendAck(nil, chat.Message{Room: testRoom, Seq: 6, ClientMsgID: "m2"}, 0, false)
	return []envelope.Delivery{
		{Kind: envelope.InRoom, Room: testRoom, Epoch: 1, Seq: 6, Gateway: "g1.boot", Socket: socket, Ack: ack, Ref: "m1"},
		{
			Kind: envelope.ToSocket, Gateway: "g1.boot", Socket: socket, Ref: "m2",
			Frame: protocol.AppendError(nil, chat.E(chat.Muted, ""), protocol.ErrorRef{Ref: "m3"}),
		},
	}
}

// TestAnswersAreFoundByTheirRef: the delivery says which send it answers; what the client's bytes say doesn't matter.
func TestAnswersAreFoundByTheirRef(t *testing.T) {
	gt := newGate(t, []envelope.CommandKind{envelope.Send}, nil)
	s := gt.login(1)
	s.sends("m0", "m1", "m2", "m3")
	unanswered(t, gt, "m0", "m1", "m2", "m3")
	ds := answers(gt.sockets.all()[0].id)
	gt.deliver(ds[0])
	s.want("ack")
	unanswered(t, gt, "m0", "m2", "m3")
	gt.deliver(ds[1])
	s.want("error")
	unanswered(t, gt, "m0", "m3")
	gt.deliver(envelope.Delivery{Kind: envelope.ToSocket, Gateway: "g1.boot", Socket: ds[0].Socket, Frame: []byte(`{"type":"synced"}`)})
	s.want("synced")
	unanswered(t, gt, "m0", "m3")
	if n := gt.window.n.Load(); n != 2 {
		t.Errorf("%d commands in the window, 2 are unanswered", n)
	}
}

// sends sends messages with these ids and waits until the gateway has read them.
func (c *client) sends(ids ...string) {
	c.t.Helper()
	for _, id := range ids {
		c.send(`{"type":"message","room_id":7,"content":"x","client_msg_id":%q}`, id)
	}
	c.send(`{"type":"ping"}`)
	c.want("pong")
}

// unanswered wants these sends of the only socket to be without an answer.
func unanswered(t *testing.T, gt *gate, want ...string) {
	t.Helper()
	s := gt.sockets.all()[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	var got []string
	for _, p := range s.sends {
		got = append(got, p.ref.Ref)
	}
	if !slices.Equal(got, want) {
		t.Errorf("unanswered: %v, want %v", got, want)
	}
}
