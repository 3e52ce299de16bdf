package gateway

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/test/testkit"
)

// asksFor has a client send a frame and returns the command that is published for it.
func asksFor(t *testing.T, gt *gate, s *client, kind envelope.CommandKind, frame string) (c envelope.Command) {
	t.Helper()
	before := len(gt.bus.commands(kind))
	s.send("%s", frame)
	testkit.Eventually(t, patience, func() (bool, string) {
		all := gt.bus.commands(kind)
		if len(all) > before {
			c = all[before]
		}
		return len(all) > before, "nothing was published"
	})
	return c
}

func TestChangesAreAskedOfTheRoom(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) { o.Partitions = 16 })
	s := gt.login(3)
	text, none, data := "x", "", `{"a":1}`
	for frame, want := range map[string]chat.Change{
		`{"type":"edit","room_id":7,"seq":4,"content":"x","if_version":2,"change_id":"c","ref":"r"}`: {Kind: chat.ChangeEdit, Content: &text, IfVersion: 2},
		`{"type":"edit","room_id":7,"seq":4,"content":null,"data":{"a": 1},"change_id":"c"}`:         {Kind: chat.ChangeEdit, Content: &none, Data: &data},
		`{"type":"edit","room_id":7,"seq":4,"data":null,"change_id":"c","ref":"r"}`:                  {Kind: chat.ChangeEdit, Data: &none},
		`{"type":"recall","room_id":7,"seq":4,"change_id":"c","ref":"r"}`:                            {Kind: chat.ChangeRecall},
		`{"type":"react","room_id":7,"seq":4,"key":"k","on":true,"change_id":"c"}`:                   {Kind: chat.ChangeReaction, Key: "k", On: true},
		`{"type":"react","room_id":7,"seq":4,"key":"k","on":false,"change_id":"c"}`:                  {Kind: chat.ChangeReaction, Key: "k"},
		`{"type":"pin","room_id":7,"seq":4,"change_id":"c"}`:                                         {Kind: chat.ChangePin, On: true},
		`{"type":"pin","room_id":7,"seq":4,"on":false,"change_id":"c","ref":"r"}`:                    {Kind: chat.ChangePin},
	} {
		c := asksFor(t, gt, s, envelope.Change, frame)
		want.Room, want.Seq, want.User, want.Session, want.ID = 7, 4, 3, c.Session, "c"
		if d := cmp.Diff(want, c.ChangeOf()); d != "" {
			t.Errorf("%s asks for something else (-want +got):\n%s", frame, d)
		}
		ref := "c"
		if strings.Contains(frame, `"ref"`) {
			ref = "r"
		}
		if f := s.want("done"); c.ErrorRef != ref || f.Ref != ref {
			t.Errorf("%s: an error would refer to %q, done does to %q, want %q", frame, c.ErrorRef, f.Ref, ref)
		}
	}
	gt.bus.set(func(b *fakeBus) {
		for _, p := range b.partitions[envelope.Change] {
			if p != testRoom.Partition(16) {
				t.Errorf("a change went to partition %d", p)
			}
		}
	})
	if c := asksFor(t, gt, s, envelope.Change, `{"type":"recall","room_id":7,"seq":4}`); c.Change.ID == "" || c.ErrorRef != c.Change.ID {
		t.Errorf("without a change_id: %+v", c)
	}
}

func TestMessagesWithMoreThanAText(t *testing.T) {
	gt := newGate(t, []envelope.CommandKind{envelope.SendMore}, nil)
	s := gt.login(3)
	c := asksFor(t, gt, s, envelope.SendMore, `{"type":"message","room_id":7,"content":"","data":{"b":2,"a":1},"client_seq":1}`)
	if c.Content != "" || c.Data != `{"a":1,"b":2}` || c.ClientSeq != 1 || c.ClientMsgID == "" || c.ErrorRef != c.ClientMsgID {
		t.Errorf("got %+v", c)
	}
	c = asksFor(t, gt, s, envelope.SendMore, `{"type":"message","room_id":7,"content":"x","reply_to":4,"client_msg_id":"m"}`)
	if c.ReplyTo != 4 || c.ErrorRef != "m" {
		t.Errorf("got %+v", c)
	}
	// A worker of the release before refuses the kind, by the client's bytes only.
	gt.deliver(envelope.Delivery{
		Kind: envelope.ToSocket, Gateway: "g1.boot", Socket: gt.sockets.all()[0].id,
		Frame: protocol.AppendError(nil, chat.E(chat.Unavailable, ""), protocol.ErrorRef{Ref: "m"}),
	})
	if f := s.want("error"); f.Ref != "m" || !f.Retry {
		t.Errorf("got %+v", f)
	}
	if n := gt.window.n.Load(); n != 1 {
		t.Errorf("%d are unanswered, want the first one", n)
	}
	if n := len(gt.bus.commands(envelope.Send)); n != 0 {
		t.Errorf("%d plain sends were published", n)
	}
}

// A numbered message whose data is bad uses up its number, and isn't stored without its data.
func TestBadDataUsesUpItsNumber(t *testing.T) {
	gt := newGate(t, []envelope.CommandKind{envelope.Send}, nil)
	s := gt.login(3)
	for _, bad := range []string{
		`"content":"x","data":{"a":"` + strings.Repeat("x", 8<<10) + `"}`, `"content":"x","data":{"a":1e999}`, `"content":" ","data":{}`,
		`"content":"x","data":[]`, `"content":" ","reply_to":3`, `"content":"x","reply_to":0`,
	} {
		c := asksFor(t, gt, s, envelope.Send, `{"type":"message","room_id":7,"client_msg_id":"m","client_seq":9,`+bad+`}`)
		if c.Content != "" || c.Socket != 0 || c.ClientSeq != 9 {
			t.Errorf("%.40s: published %+v", bad, c)
		}
		if f := s.want("error"); f.Ref != "m" || f.Retry {
			t.Errorf("%.40s: got %+v", bad, f)
		}
	}
}

func TestChangesAreUnknownWhereTheyAreNotOffered(t *testing.T) {
	gt := newGate(t, []envelope.CommandKind{envelope.Send}, nil)
	gt.plain = true
	s := gt.login(1)
	for frame, code := range map[string]string{
		`{"type":"edit","room_id":7,"seq":4,"content":"x"}`:                           "unknown_type",
		`{"type":"recall","room_id":7,"seq":4}`:                                       "unknown_type",
		`{"type":"react","room_id":7,"seq":4,"key":"k","on":true}`:                    "unknown_type",
		`{"type":"pin","room_id":7,"seq":4}`:                                          "unknown_type",
		`{"type":"message","room_id":7,"content":"x","data":{}}`:                      "unknown_field",
		`{"type":"message","room_id":7,"content":"x","reply_to":1}`:                   "unknown_field",
		`{"type":"sync","rooms":{"7":{"seq":1,"changes":2}}}`:                         "unknown_field",
		`{"type":"message","room_id":7,"content":"x","client_seq":3,"data":{"a":[]}}`: "unknown_field",
	} {
		s.send("%s", frame)
		if f := s.want("error"); f.Code != code {
			t.Errorf("%s: %+v", frame, f)
		}
	}
	gt.bus.set(func(b *fakeBus) {
		for _, c := range b.got {
			if c.Kind == envelope.Change || c.Kind == envelope.SendMore || c.Kind == envelope.Sync {
				t.Errorf("published: %+v", c)
			}
		}
	})
}

func TestChangesAreNeverLeftUnanswered(t *testing.T) {
	mute := []envelope.CommandKind{envelope.Change, envelope.SendMore}
	for name, c := range map[string]struct {
		change func(*Options)
		bus    func(*fakeBus)
	}{
		"the bus refuses":    {bus: func(b *fakeBus) { b.refuse = errors.New("full") }},
		"the bus loses":      {bus: func(b *fakeBus) { b.lose = errors.New("cut") }},
		"nobody answers":     {change: func(o *Options) { o.AnswerTimeout = 300 * time.Millisecond }},
		"the window is full": {change: func(o *Options) { o.WindowBytes = 10 }},
	} {
		t.Run(name, func(t *testing.T) {
			gt := newGate(t, mute, c.change)
			s := gt.login(1)
			if c.bus != nil {
				gt.bus.set(c.bus)
			}
			for frame, ref := range map[string]string{
				`{"type":"edit","room_id":7,"seq":4,"content":"x","change_id":"c"}`:         "c",
				`{"type":"pin","room_id":7,"seq":4,"change_id":"c","ref":"r"}`:              "r",
				`{"type":"message","room_id":7,"content":"","data":{},"client_msg_id":"m"}`: "m",
			} {
				s.send("%s", frame)
				if f := s.want("error"); f.Code != "unavailable" || f.Ref != ref || !f.Retry || f.Room != 7 {
					t.Errorf("%s: got %+v", frame, f)
				}
			}
			testkit.Eventually(t, patience, func() (bool, string) {
				return gt.window.n.Load() == 0 && gt.window.bytes.Load() == 0, "the window isn't empty"
			})
			gt.bus.set(func(b *fakeBus) { b.refuse, b.lose = nil, nil })
		})
	}
}

// Changes count as messages do: by their user's rate and the socket's window.
func TestChangesAreBounded(t *testing.T) {
	gt := newGate(t, []envelope.CommandKind{envelope.Change}, func(o *Options) {
		o.SocketWindow = 2
		o.Bounds.UserMessagesPerSecond, o.Bounds.UserMessageBurst = 0.001, 3
	})
	s := gt.login(1)
	for _, id := range []string{"a", "b", "c", "d"} {
		s.send(`{"type":"recall","room_id":7,"seq":4,"change_id":%q}`, id)
	}
	for _, id := range []string{"c", "d"} {
		if f := s.want("error"); f.Code != "rate_limited" || f.Ref != id {
			t.Errorf("got %+v, want %s refused", f, id)
		}
	}
	unanswered(t, gt, "a", "b")
}

// The reactions of a room's members are bounded together; what else they ask for isn't, nor are other rooms. Nobody's socket is closed for
// it, and what a refused socket sends before it is read again is answered, too.
func TestReactionsOfARoomAreBounded(t *testing.T) {
	gt := newGate(t, []envelope.CommandKind{envelope.Change}, func(o *Options) {
		o.Bounds.RoomReactionsPerSecond, o.Bounds.RoomReactionBurst = 0.001, 2
	})
	first, second := gt.login(1), gt.login(2)
	react := func(room int, id string) string {
		return fmt.Sprintf(`{"type":"react","room_id":%d,"seq":4,"key":"+","on":true,"change_id":%q}`, room, id)
	}
	outside := gt.login(3)
	outside.send(`{"type":"leave_room","room_id":7}`)
	outside.want("left")
	for _, id := range []string{"x", "y", "z"} {
		outside.send("%s", react(7, id))
	}
	if f := outside.want("error"); f.Code != "rate_limited" || f.Ref != "z" {
		t.Errorf("got %+v, want z refused", f)
	}
	first.send("%s", react(7, "a"))
	first.send("%s", react(7, "b"))
	first.send("%s", react(7, "c"))
	if f := first.want("error"); f.Code != "rate_limited" || f.Ref != "c" || !f.Retry || f.RetryMS <= 0 {
		t.Errorf("got %+v, want c refused", f)
	}
	for _, id := range []string{"d", "e", "f"} {
		second.send("%s", react(7, id))
	}
	for _, id := range []string{"d", "e", "f"} {
		if f := second.want("error"); f.Code != "rate_limited" || f.Ref != id {
			t.Errorf("got %+v, want %s refused", f, id)
		}
	}
	first.send(`{"type":"recall","room_id":7,"seq":4,"change_id":"g"}`)
	first.send("%s", react(8, "h"))
	first.send(`{"type":"ping"}`)
	first.want("pong")
	unanswered(t, gt, "a", "b", "g", "h")
}

// A change reaches the room's sockets, and `done` the one that asked, which isn't waited for any more.
func TestChangedIsDelivered(t *testing.T) {
	gt := newGate(t, []envelope.CommandKind{envelope.Change}, nil)
	s, other := gt.login(1), gt.login(2)
	c := asksFor(t, gt, s, envelope.Change, `{"type":"pin","room_id":7,"seq":4,"change_id":"c"}`)
	gt.deliver(envelope.Delivery{
		Kind: envelope.Changed, Room: testRoom, Epoch: 1, Seq: 4, Changes: 1, AtSeq: 5, Gateway: c.Gateway, Socket: c.Socket, Ref: c.ErrorRef,
		Frame: []byte(`{"type":"change","seq":4}`), Bare: []byte(`{"type":"change"}`), Ack: []byte(`{"type":"done","ref":"c"}`),
	})
	if f := s.want("done"); f.Ref != "c" {
		t.Errorf("got %+v", f)
	}
	unanswered(t, gt)
	for _, x := range []*client{s, other} { // from which entry on they may see the room isn't known
		if f := x.want("head"); len(f.Changes) != 1 || f.Changes["7"] != 1 {
			t.Errorf("got %+v", f)
		}
	}
}
