//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/gobwas/ws"
	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/test/testkit"
)

// The kinds that only the later build knows: see the build tag probe in package envelope, which this test is built without.
const (
	probedDelivery    envelope.DeliveryKind = 1000
	nobodysDelivery   envelope.DeliveryKind = 2000 // that neither build knows
	probeAnnouncement                       = "probe"
)

// kinds is a fleet in which gateway 1 knows a frame, a command, a delivery, an announcement and a feature that gateway 2 and some of the
// workers don't. The sockets are of two members of a room in every partition, one at each gateway.
type kinds struct {
	*neighbours
	here, there *sock
}

// unknownKinds has processes meet kinds that only others know: no message is lost, no command is executed as another one, senders of
// unknown commands are asked to try again, and unknown announcements wait for a worker that knows them.
func unknownKinds(t *testing.T) {
	t.Parallel()
	n := startNeighbours(t, thisBuild(t), probeBuild(t), "gateway-1")
	n.settled(t)
	k := &kinds{neighbours: n, here: n.dial(t, 1, n.us[0]), there: n.dial(t, 2, n.us[1])}
	for _, room := range k.rooms {
		k.routed(t, room, 1, 2)
	}
	for _, step := range []struct {
		name string
		try  func(*testing.T)
	}{
		{"no worker knows them", k.unknown},
		{"a worker knows them", k.halfKnown},
		{"all workers know them", k.known},
		{"a delivery that the gateway doesn't know", k.deliveries},
		{"a worker forgets them", k.forgotten},
	} {
		if !t.Run(step.name, step.try) {
			return // each goes on from the one before
		}
	}
	for process, m := range n.counts(t) {
		for _, name := range []string{
			"chat_worker_panics_total", "chat_worker_quarantined_total", "chat_gateway_bad_deliveries_total", "chat_gateway_lost_disconnects_total",
		} {
			if v := m.sum(name); v != 0 {
				t.Errorf("%s of %s is %v, want 0", name, process, v)
			}
		}
	}
	if d := n.number(t, "SELECT COUNT(*) FROM dead_commands"); d != 0 {
		t.Errorf("%d commands are in dead_commands, want none", d)
	}
}

func (k *kinds) unknown(t *testing.T) {
	probed, refused := k.probe(t)
	if probed != 0 || refused != partitions {
		t.Errorf("of the commands %d were executed and %d refused, want 0 and %d", probed, refused, partitions)
	}
	refusal(t, k.here, "unavailable", "probe", obj{"type": "probe", "room_id": k.rooms[0]}) // without a ref it is the type
	if n := k.counts(t).workers("chat_worker_unknown_commands_total"); n != partitions+1 {
		t.Errorf("the workers count %v unknown commands, want %d", n, partitions+1)
	}
	refusal(t, k.there, "unknown_type", "probe", obj{"type": "probe", "room_id": k.rooms[0]})
	k.features(t, 1)
	k.features(t, 2)

	for p, room := range k.rooms {
		k.exec(t, "INSERT INTO outbox (partition_no, room_id, seq, kind, payload, created_at) VALUES (?, ?, 0, ?, ?, UTC_TIMESTAMP(6))",
			p, room, probeAnnouncement, fmt.Sprintf(`{"room_id":%d}`, room))
	}
	k.goesOn(t)
	k.Restart(t, "worker-2") // whoever takes partitions over counts what it can't announce there
	k.settled(t)
	k.goesOn(t)
	k.waiting(t, partitions)
	if n := len(k.announced(k.there)); n != 0 {
		t.Errorf("announcements for %d rooms came from workers that don't know them", n)
	}
}

func (k *kinds) halfKnown(t *testing.T) {
	k.Replace(t, "worker-2", k.later)
	k.settled(t)
	k.waiting(t, partitions/2)
	var left []uint64
	for p, room := range k.rooms {
		if k.number(t, "SELECT COUNT(*) FROM outbox WHERE partition_no = ?", p) > 0 {
			left = append(left, room)
		}
	}
	k.goesOn(t)
	for _, s := range []*sock{k.here, k.there} {
		testkit.Eventually(t, patience, func() (bool, string) {
			got := k.announced(s)
			return len(got) == partitions/2, fmt.Sprintf("announced in %d rooms, want %d", len(got), partitions/2)
		})
		for _, room := range left {
			if k.announced(s)[room] {
				t.Errorf("room %d is announced and waits", room)
			}
		}
	}
	if probed, refused := k.probe(t); probed != partitions/2 || refused != partitions/2 {
		t.Errorf("of the commands %d were executed and %d refused, want half and half", probed, refused)
	}
	k.features(t, 1)
	k.waiting(t, partitions/2)
}

func (k *kinds) known(t *testing.T) {
	k.Replace(t, "worker-1", k.later)
	k.settled(t)
	k.waiting(t, 0)
	for _, s := range []*sock{k.here, k.there} {
		testkit.Eventually(t, patience, func() (bool, string) {
			got := k.announced(s)
			return len(got) == partitions, fmt.Sprintf("announced in %d rooms, want all", len(got))
		})
	}
	if probed, refused := k.probe(t); probed != partitions || refused != 0 {
		t.Errorf("of the commands %d were executed and %d refused, want all and none", probed, refused)
	}
	k.features(t, 1, "probe")
	k.features(t, 2)
}

// deliveries: what a gateway doesn't know it counts; what comes in the same batch is applied.
func (k *kinds) deliveries(t *testing.T) {
	conn, err := amqp.Dial(testkit.AMQPURL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	since := k.counts(t)
	records := [][]byte{
		(&envelope.Delivery{Kind: probedDelivery, Socket: 1, User: chat.UserID(k.us[1].ID), Frame: []byte(`{"type":"probed","ref":"lost"}`)}).Append(nil),
		(&envelope.Delivery{Kind: nobodysDelivery, User: chat.UserID(k.us[1].ID), Room: chat.RoomID(k.rooms[0]), All: true, Code: 4502}).Append(nil),
	}
	for _, u := range k.us {
		d := envelope.Delivery{Kind: envelope.ToUser, User: chat.UserID(u.ID), Frame: []byte(`{"type":"after the unknown"}`)}
		records = append(records, d.Append(nil))
	}
	if err := ch.PublishWithContext(t.Context(), k.Prefix+".out", "", false, false, amqp.Publishing{Body: envelope.Frame(nil, records)}); err != nil {
		t.Fatal(err)
	}
	for gateway, want := range map[string]struct {
		s       *sock
		unknown float64
	}{"gateway-1": {k.here, 1}, "gateway-2": {k.there, 2}} {
		want.s.Expect(t, is("after the unknown"))
		const unknown = `chat_gateway_deliveries_total{kind="unknown"}`
		if n := k.metrics(t, gateway)[unknown] - since[gateway][unknown]; n != want.unknown {
			t.Errorf("%s counts %v unknown deliveries, want %v", gateway, n, want.unknown)
		}
		want.s.ExpectNone(t, is("probed", "ref", "lost"))
	}
	k.goesOn(t)
}

// forgotten: what a single live worker can't do isn't offered to new sockets.
func (k *kinds) forgotten(t *testing.T) {
	k.Replace(t, "worker-2", k.earlier)
	k.settled(t)
	k.features(t, 1)
	if probed, refused := k.probe(t); probed != partitions/2 || refused != partitions/2 {
		t.Errorf("of the commands %d were executed and %d refused, want half and half", probed, refused)
	}
}

// probe sends, in every partition and in one write each, the frame that only gateway 1 knows between two messages. The messages must be
// acknowledged and arrive; it returns how often the frame's command was executed, and how often refused for now.
func (k *kinds) probe(t *testing.T) (probed, refused int) {
	t.Helper()
	for _, room := range k.rooms {
		ref, ids := fresh(), []string{fresh(), fresh()}
		var b []byte
		for _, f := range []obj{
			{"type": "message", "room_id": room, "content": "before", "client_msg_id": ids[0]},
			{"type": "probe", "room_id": room, "ref": ref},
			{"type": "message", "room_id": room, "content": "after", "client_msg_id": ids[1]},
		} {
			text, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			b = append(b, ws.MustCompileFrame(ws.MaskFrameInPlace(ws.NewTextFrame(text)))...)
		}
		if err := k.here.SendRaw(b); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			k.here.Expect(t, is("ack", "client_msg_id", id, "duplicate", false))
			arrives(t, k.there, room, is("message", "room_id", room, "client_msg_id", id))
		}
		switch f := k.here.Expect(t, testkit.Any(is("probed", "ref", ref), is("error", "ref", ref))); f.Type() {
		case "probed":
			probed++
			if f.Num("room_id") != room {
				t.Errorf("%s, want room %d", f, room)
			}
		default:
			refused++
			checkError(t, f, "unavailable")
		}
	}
	return probed, refused
}

// goesOn posts a message by REST in every room: an announcement that its worker doesn't know must not hold those behind it up.
func (k *kinds) goesOn(t *testing.T) {
	t.Helper()
	for _, room := range k.rooms {
		text := "posted " + fresh()
		k.post(t, k.us[0], room, text)
		for _, s := range []*sock{k.here, k.there} {
			arrives(t, s, room, is("message", "room_id", room, "content", text))
		}
	}
}

// waiting waits until so many announcements are in the outbox, and the workers say that they don't know as many.
func (k *kinds) waiting(t *testing.T, want int) {
	t.Helper()
	testkit.Eventually(t, patience*6, func() (bool, string) { // the workers count about once a minute, and when partitions change hands
		rows := k.number(t, "SELECT COUNT(*) FROM outbox WHERE kind = ?", probeAnnouncement)
		gauge := k.counts(t).workers("chat_worker_outbox_unknown")
		return rows == uint64(want) && gauge == float64(want), fmt.Sprintf("%d announcements wait, the workers count %v, want %d", rows, gauge, want)
	})
}

// announced returns the rooms in which a socket has received the announcement.
func (k *kinds) announced(s *sock) map[uint64]bool {
	rooms := map[uint64]bool{}
	for _, f := range s.Frames() {
		if f.Type() == "probed" && !f.Has("ref") {
			rooms[f.Num("room_id")] = true
		}
	}
	return rooms
}

// features waits until new sockets at a gateway are offered exactly these, and what all of this tree can do.
func (k *kinds) features(t *testing.T, gateway int, want ...string) {
	t.Helper()
	testkit.Eventually(t, patience, func() (bool, string) {
		s := testkit.Dial(t, k.WS(gateway), k.us[0].Token)
		defer s.Close()
		hello := s.Welcome(t)
		var have []string
		list, _ := hello["features"].([]any)
		for _, x := range list {
			have = append(have, fmt.Sprint(x))
		}
		return slices.Equal(have, append([]string{"changes", "data"}, want...)), fmt.Sprintf("features %v at gateway %d, want %v", have, gateway, want)
	})
}
