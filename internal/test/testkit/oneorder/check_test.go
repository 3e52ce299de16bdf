package oneorder_test

import (
	"strings"
	"testing"
	"time"

	"chat-service/internal/test/testkit/history"
	"chat-service/internal/test/testkit/oneorder"
)

// sound is a history of two clients in a room: a system message, three messages, of which the last isn't acknowledged, and one that came to
// nothing.
func sound() []history.Event {
	at := time.Duration(0)
	e := func(kind history.EventKind, client string, user, seq, about uint64, id string) history.Event {
		at += time.Millisecond
		return history.Event{At: at, Kind: kind, Client: client, User: user, Room: 1, Seq: seq, About: about, ID: id, Content: id}
	}
	return []history.Event{
		e(history.Based, "a", 10, 0, 0, ""), e(history.Based, "b", 20, 0, 0, ""),
		e(history.Received, "b", 20, 1, 0, ""), e(history.Shown, "b", 20, 1, 0, ""),
		e(history.Sent, "a", 10, 0, 0, "a.1"), e(history.Acked, "a", 10, 2, 0, "a.1"),
		e(history.Received, "b", 20, 2, 10, "a.1"), e(history.Shown, "b", 20, 2, 10, "a.1"),
		e(history.Sent, "b", 20, 0, 0, "b.1"), e(history.Sent, "a", 10, 0, 0, "a.2"),
		e(history.Received, "b", 20, 3, 10, "a.2"), e(history.Shown, "b", 20, 3, 10, "a.2"), // before its ack
		e(history.Acked, "b", 20, 4, 0, "b.1"), e(history.Acked, "a", 10, 3, 0, "a.2"),
		e(history.Sent, "a", 10, 0, 0, "a.3"), e(history.Received, "b", 20, 5, 10, "a.3"),
		e(history.Sent, "b", 20, 0, 0, "b.lost"),
		e(history.Acked, "a", 10, 3, 0, "a.2"), // again
	}
}

func TestSound(t *testing.T) {
	if found := oneorder.Check(sound(), time.Minute); len(found) > 0 {
		t.Error(found)
	}
}

func TestFaults(t *testing.T) {
	last := func(es []history.Event) time.Duration { return es[len(es)-1].At }
	pick := func(es []history.Event, kind history.EventKind, id string) *history.Event {
		for i := range es {
			if es[i].Kind == kind && es[i].ID == id {
				return &es[i]
			}
		}
		panic("there is none")
	}
	for name, c := range map[string]struct {
		change func([]history.Event) []history.Event
		want   string
	}{
		"two messages at one seq": {func(es []history.Event) []history.Event {
			pick(es, history.Acked, "b.1").Seq = 3
			return es
		}, "seq 3 is"},
		"one message at two seqs": {func(es []history.Event) []history.Event {
			es[len(es)-1].Seq = 9
			return es
		}, "stands at seq 9"},
		"sent after one at a later seq was acknowledged": {func(es []history.Event) []history.Event {
			at := last(es)
			return append(es,
				history.Event{At: at + 1, Kind: history.Sent, Client: "a", User: 10, Room: 1, ID: "a.4"},
				history.Event{At: at + 2, Kind: history.Acked, Client: "a", User: 10, Room: 1, ID: "a.4", Seq: 9},
				history.Event{At: at + 3, Kind: history.Sent, Client: "b", User: 20, Room: 1, ID: "b.4"},
				history.Event{At: at + 4, Kind: history.Acked, Client: "b", User: 20, Room: 1, ID: "b.4", Seq: 8})
		}, "no order"},
		"seen before it was sent": {func(es []history.Event) []history.Event {
			at := last(es)
			return append(es,
				history.Event{At: at + 1, Kind: history.Received, Client: "b", User: 20, Room: 1, ID: "a.4", About: 10, Seq: 9},
				history.Event{At: at + 2, Kind: history.Sent, Client: "b", User: 20, Room: 1, ID: "b.4"},
				history.Event{At: at + 3, Kind: history.Acked, Client: "b", User: 20, Room: 1, ID: "b.4", Seq: 8},
				history.Event{At: at + 4, Kind: history.Sent, Client: "a", User: 10, Room: 1, ID: "a.4"})
		}, "no order"},
		"a view with a hole": {func(es []history.Event) []history.Event {
			return append(es, history.Event{At: last(es) + 1, Kind: history.Shown, Client: "b", User: 20, Room: 1, Seq: 5})
		}, "goes from seq 3 to 5"},
		"a view that goes back": {func(es []history.Event) []history.Event {
			return append(es, history.Event{At: last(es) + 1, Kind: history.Shown, Client: "b", User: 20, Room: 1, Seq: 2})
		}, "goes from seq 3 to 2"},
		"two contents": {func(es []history.Event) []history.Event {
			return append(es, history.Event{At: last(es) + 1, Kind: history.Received, Client: "a", User: 10, Room: 1, Seq: 2, About: 10, ID: "a.1", Content: "other"})
		}, "received \"other\""},
	} {
		t.Run(name, func(t *testing.T) {
			found := oneorder.Check(c.change(sound()), time.Minute)
			if len(found) == 0 || !strings.Contains(found[0], c.want) {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}
