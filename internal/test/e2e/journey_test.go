//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/chat"
	"chat-service/internal/test/testkit"
)

const partitions = 16

// counts are all processes' metrics at one moment.
type counts map[string]metrics

func (w *world) counts(t *testing.T) counts {
	t.Helper()
	c := counts{}
	for _, p := range w.Names() {
		c[p] = w.metrics(t, p)
	}
	return c
}

// workers adds up a metric of both workers.
func (c counts) workers(name string) float64 {
	return c["worker-1"].sum(name) + c["worker-2"].sum(name)
}

// TestJourney follows one message through the thirteen stops, from a socket at one gateway to sockets at both. It does not
// run beside other tests: what the counters say is about this message.
func TestJourney(t *testing.T) {
	w := shared(t)
	good(t, "the thirteen stops", "> message", "< ack", "< message", "message fields", "config exchange is the prefix")
	us := w.users(t, 3)
	sender, near, far := us[0], us[1], us[2]
	from := dialRaw(t, w.WS(1), sender.Token, 0)
	from.text(t, "welcome")
	here := dialRaw(t, w.WS(1), near.Token, 0)
	there := dialRaw(t, w.WS(2), far.Token, 0)
	here.text(t, "welcome")
	there.text(t, "welcome")
	room := w.api.CreateRoom(t, sender, near, far)
	for _, s := range []*raw{from, here, there} {
		s.text(t, "joined")
	}
	w.routed(t, room, 1, 2)
	w.settled(t, room)
	last := w.trusted(t, room, near)
	before := w.counts(t)

	content := "one message, thirteen stops ⚓"
	text := fmt.Sprintf(`{"type":"message","room_id":%d,"content":%q,"client_msg_id":"journey-1"}`, room, content)
	from.send(t, text)
	ack := parse(t, from.text(t, "ack"))
	hereBytes, thereBytes := here.message(t, last+1), there.message(t, last+1)
	after := w.counts(t)
	testkit.Eventually(t, patience, func() (bool, string) { // what is counted when the message has long been delivered
		after = w.counts(t)
		gateway := after["gateway-1"].sum("chat_broker_confirmed_total") > before["gateway-1"].sum("chat_broker_confirmed_total")
		n := after.workers("chat_broker_confirmed_total") - before.workers("chat_broker_confirmed_total")
		return gateway && n >= 2, fmt.Sprintf("stops 4 and 11 publish: confirmed to the gateway: %v, to the workers +%v, want 2", gateway, n)
	})
	gained := func(process, name string) float64 { return after[process].sum(name) - before[process].sum(name) }
	byWorkers := func(name string) float64 { return after.workers(name) - before.workers(name) }
	stop := func(name string, ok bool, format string, args ...any) {
		t.Helper()
		if !ok {
			t.Errorf("stop %s: %s", name, fmt.Sprintf(format, args...))
		}
	}

	stop("1 read", gained("gateway-1", "chat_gateway_frames_in_total") == 1 && gained("gateway-1", "chat_gateway_bytes_in_total") == float64(len(text)),
		"frames +%v, bytes +%v, want 1 and %d", gained("gateway-1", "chat_gateway_frames_in_total"), gained("gateway-1", "chat_gateway_bytes_in_total"), len(text))
	stop("2 decode", gained("gateway-1", "chat_gateway_bad_frames_total") == 0, "the frame counts as bad")
	testkit.Eventually(t, patience, func() (bool, string) {
		n := w.metrics(t, "gateway-1")["chat_gateway_window_commands"]
		return n == 0, fmt.Sprintf("stop 3 admit: commands in the window after the ack: %v", n)
	})
	stop("4 publish", gained("gateway-1", "chat_broker_published_total") >= 1 && gained("gateway-1", "chat_broker_confirmed_total") >= 1,
		"published +%v, confirmed +%v", gained("gateway-1", "chat_broker_published_total"), gained("gateway-1", "chat_broker_confirmed_total"))
	stop("5 consume", byWorkers("chat_broker_delivered_total") >= 1, "nothing consumed")
	stop("6 dispatch", byWorkers("chat_worker_commands_total") >= 1, "nothing dispatched")
	stop("7 decide", byWorkers("chat_worker_refused_total") == 0, "refused")
	stop("8 commit", byWorkers("chat_worker_messages_committed_total") == 1 && byWorkers("chat_worker_commit_seconds_count") == 1,
		"messages +%v, transactions +%v, want 1 and 1", byWorkers("chat_worker_messages_committed_total"), byWorkers("chat_worker_commit_seconds_count"))
	seq := ack.Num("seq")
	if n := w.number(t, "SELECT COUNT(*) FROM messages WHERE room_id = ? AND seq = ? AND sender_id = ? AND client_msg_id = 'journey-1' AND content = ? AND ord = ?",
		room, seq, sender.ID, content, last); n != 1 || seq != last+1 {
		t.Errorf("stop 8 commit: %d rows of seq %d, want one of seq %d (1 tells of the room's creation)", n, seq, last+1)
	}
	w.counted(t, room, seq)
	stop("10 route", byWorkers("chat_worker_announced_total") == 1 && byWorkers("chat_worker_fanned_out_total") == 0,
		"announced +%v, of them to everybody +%v, want 1 and 0", byWorkers("chat_worker_announced_total"), byWorkers("chat_worker_fanned_out_total"))
	stop("11 publish", byWorkers("chat_worker_batches_published_total") >= 2 && byWorkers("chat_broker_published_total") >= 2,
		"batches +%v, want one per gateway", byWorkers("chat_worker_batches_published_total"))
	w.emptied(t, room)
	for _, g := range []string{"gateway-1", "gateway-2"} {
		kind := `chat_gateway_deliveries_total{kind="in_room"}`
		stop("12 deliver", after[g][kind]-before[g][kind] == 1, "%s: entries +%v, want 1", g, after[g][kind]-before[g][kind])
		stop("12 deliver", gained(g, "chat_hub_repairs_total") == 0 && gained(g, "chat_hub_repeats_total") == 0, "%s had to repair", g)
	}
	stop("12 deliver", gained("gateway-3", `chat_gateway_deliveries_total{kind="in_room"}`) == 0, "gateway-3 has nobody in the room")
	testkit.Eventually(t, patience, func() (bool, string) {
		a := w.counts(t)
		one, two := a["gateway-1"].sum("chat_gateway_frames_out_total")-before["gateway-1"].sum("chat_gateway_frames_out_total"),
			a["gateway-2"].sum("chat_gateway_frames_out_total")-before["gateway-2"].sum("chat_gateway_frames_out_total")
		return one >= 2 && two >= 1, fmt.Sprintf("stop 13 write: frames +%v and +%v, want an ack and a message, and a message", one, two)
	})
	if !bytes.Equal(hereBytes, thereBytes) {
		t.Errorf("stop 13 write: encoded twice:\n%s\n%s", hereBytes, thereBytes)
	}

	message := parse(t, thereBytes)
	want := frame{
		"type": "message", "room_id": num(room), "seq": num(seq), "id": fmt.Sprintf("%d:%d", room, seq), "kind": "text", "sender_id": num(sender.ID),
		"client_msg_id": "journey-1", "content": content, "created_at": ack["created_at"],
	}
	if message.String() != want.String() {
		t.Errorf("the message is\n%s, want\n%s", message, want)
	}
	stamp(t, ack, "created_at")
	wantAck := frame{"type": "ack", "room_id": num(room), "seq": num(seq), "id": want["id"], "client_msg_id": "journey-1", "created_at": ack["created_at"], "duplicate": false}
	if ack.String() != wantAck.String() {
		t.Errorf("the ack is\n%s, want\n%s", ack, wantAck)
	}
	history := w.api.History(t, far, room)
	delete(want, "type")
	if uint64(len(history)) != seq || history[seq-1].String() != want.String() {
		t.Errorf("the history is %s, want it to end with %s", history, want)
	}
}

// TestJourneyREST follows a message that REST sends: it goes by the outbox and comes out of the same door.
func TestJourneyREST(t *testing.T) {
	w := shared(t)
	good(t, "POST /rooms/{room_id}/messages")
	us := w.users(t, 2)
	one, two := w.dial(t, 1, us[0]), w.dial(t, 2, us[1])
	room := w.api.CreateRoom(t, us[0], us[1])
	one.Expect(t, is("joined"))
	two.Expect(t, is("joined"))
	w.settled(t, room)
	before := w.counts(t)
	sent := w.api.Must(t, http.StatusCreated, "POST", roomPath(room, "/messages"), us[0].Token, obj{"content": "by REST", "client_msg_id": "rest-1"})
	got, own := two.Expect(t, is("message", "room_id", room)), one.Expect(t, is("message", "room_id", room))
	if got.String() != own.String() || got.Str("id") != sent.Str("id") || got.Str("created_at") != sent.Str("created_at") || got.Num("seq") != 2 {
		t.Errorf("%s came at two gateways as %s and %s", sent, own, got)
	}
	testkit.Eventually(t, patience, func() (bool, string) {
		n := w.counts(t).workers("chat_worker_outbox_relayed_total") - before.workers("chat_worker_outbox_relayed_total")
		left := w.number(t, "SELECT COUNT(*) FROM outbox WHERE room_id = ?", room)
		return n >= 1 && left == 0, fmt.Sprintf("outbox rows relayed +%v, left %d; want at least 1 and 0", n, left)
	})
	w.counted(t, room, 2)
}

// trusted sends messages until the room's owner trusts the routes that it knows, and no longer tells every gateway. It
// returns the last seq.
func (w *world) trusted(t *testing.T, room uint64, u user) (last uint64) {
	t.Helper()
	testkit.Eventually(t, patience, func() (bool, string) {
		before := w.counts(t)
		last = w.post(t, u, room, "where does this go?")
		w.counted(t, room, last)
		w.emptied(t, room)
		w.settled(t, room)
		n := w.counts(t).workers("chat_worker_fanned_out_total") - before.workers("chat_worker_fanned_out_total")
		return n == 0, "a message goes to every gateway"
	})
	return last
}

// message reads until the message of a seq and returns its bytes.
func (s *raw) message(t *testing.T, seq uint64) []byte {
	t.Helper()
	for {
		if b := s.text(t, "message"); parse(t, b).Num("seq") == seq {
			return b
		}
	}
}

// settled waits until the news of a room's creation are through.
func (w *world) settled(t *testing.T, room uint64) {
	t.Helper()
	testkit.Eventually(t, patience, func() (bool, string) {
		n := w.number(t, "SELECT COUNT(*) FROM outbox WHERE room_id = ?", room)
		return n == 0, fmt.Sprintf("%d rows in the outbox", n)
	})
}

// counted waits for stop 9: Redis knows how far the room is.
func (w *world) counted(t *testing.T, room, seq uint64) {
	t.Helper()
	r := w.redis(t)
	id := chat.RoomID(room)
	key := fmt.Sprintf("%s:{h%d}:heads:%d", w.Prefix, id.Partition(partitions), time.Now().Unix()/86400)
	const epoch = 1 << 40
	testkit.Eventually(t, patience, func() (bool, string) {
		v, err := r.Do("ZSCORE", key, id.String())
		return err == nil && v == fmt.Sprint(uint64(epoch)+seq), fmt.Sprintf("stop 9 count: %s has %v (%v), want seq %d of epoch 1", key, v, err, seq)
	})
}

// emptied waits for the end of stop 11: the room's partition has nothing left in its queue.
func (w *world) emptied(t *testing.T, room uint64) {
	t.Helper()
	conn, err := amqp.Dial(testkit.AMQPURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%s.in.%d", w.Prefix, chat.RoomID(room).Partition(partitions))
	testkit.Eventually(t, patience, func() (bool, string) {
		q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		return err == nil && q.Messages == 0 && q.Consumers > 0, fmt.Sprintf("stop 11 publish: queue %s: %+v, %v", name, q, err)
	})
}

func parse(t *testing.T, b []byte) frame {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var f frame
	if err := d.Decode(&f); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return f
}

func num(n uint64) json.Number { return json.Number(fmt.Sprint(n)) }
