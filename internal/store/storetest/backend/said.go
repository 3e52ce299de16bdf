package backend

import (
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/storetest"
)

// said: what the application writes as the system is there once, however many write it at once; nobody has it unread, no member changes
// it, and the application recalls it once, without a trace in anybody's count.
func said(t *testing.T, s storetest.Subject, spaces Spaces, logs Logs) {
	us := people(t, s, 2)
	r, _, err := spaces.ProvideRoom(t.Context(), rand.Text(), chat.NewRoom{Name: "Own", Owner: us[0], Members: us})
	ok(t, err)
	mine := post(t, s, chat.Send{Room: r.ID, Sender: us[0], ClientMsgID: "a", Content: "one"})
	send := chat.Send{Room: r.ID, ClientMsgID: "a", Content: chat.SaidContent("sold <out>"), Data: `{"a":1}`, ReplyTo: 1}
	sent, first := saidAtOnce(t, logs, send, 20)
	m := sent[0].Message
	if first != 1 || m.Seq != 3 || m.Ord != 1 || m.Kind != chat.System || m.Sender != 0 || m.Content != send.Content || m.Data != send.Data || !m.Said() {
		t.Fatalf("%d calls wrote %+v", first, m)
	}
	for _, bad := range []struct {
		send chat.Send
		want chat.Kind
	}{
		{chat.Send{Room: r.ID, ClientMsgID: "a", Content: chat.SaidContent("other")}, chat.IdempotencyConflict},
		{chat.Send{Room: r.ID, ClientMsgID: "b", Content: send.Content, ReplyTo: 99}, chat.Invalid},
		{chat.Send{Room: chat.MaxID, ClientMsgID: "b", Content: send.Content}, chat.NotFound},
	} {
		x, err := logs.PostSaid(t.Context(), bad.send, time.Now())
		if ok(t, err); x.Err == nil || x.Err.Kind != bad.want {
			t.Errorf("%+v: %v, want %s", bad.send, x.Err, bad.want)
		}
	}
	takenBack(t, s, r, m.Seq, mine.Seq)
	last := post(t, s, chat.Send{Room: r.ID, Sender: us[0], ClientMsgID: "z", Content: "two"})
	if _, per, err := s.Lists.Unread(t.Context(), us[1]); err != nil || per[r.ID] != 1 || last.Ord != 2 {
		t.Errorf("unread %v, the last message is %+v: %v", per, last, err)
	}
	ok(t, s.Rooms.Dissolve(t.Context(), r.ID, us[0]))
	if x, err := logs.PostSaid(t.Context(), chat.Send{Room: r.ID, ClientMsgID: "b", Content: send.Content}, time.Now()); err != nil || x.Err == nil || x.Err.Kind != chat.NotFound {
		t.Errorf("in a dissolved room: %+v %v", x, err)
	}
}

// saidAtOnce writes a message n times at once, and counts those that were the first.
func saidAtOnce(t *testing.T, logs Logs, send chat.Send, n int) (sent []chat.Sent, first int) {
	t.Helper()
	sent = make([]chat.Sent, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			var err error
			if sent[i], err = logs.PostSaid(t.Context(), send, time.Now()); err != nil || sent[i].Err != nil {
				t.Errorf("say: %v %v", err, sent[i].Err)
			}
		})
	}
	all.Wait()
	for _, x := range sent {
		if !x.Duplicate {
			first++
		}
	}
	return sent, first
}

// takenBack: no member changes what the application wrote, and nobody what happened; the application recalls its own, once.
func takenBack(t *testing.T, s storetest.Subject, r chat.Room, seq, theirs chat.Seq) {
	t.Helper()
	change := func(c chat.Change) chat.Changed {
		t.Helper()
		c.Room = r.ID
		d, err := s.Changes.PostChange(t.Context(), c, time.Now())
		ok(t, err)
		return d
	}
	x := "x"
	for _, c := range []chat.Change{
		{User: r.Owner, ID: "1", Seq: seq, Kind: chat.ChangeRecall},
		{User: r.Owner, ID: "2", Seq: seq, Kind: chat.ChangePin, On: true},
		{User: r.Owner, ID: "3", Seq: seq, Kind: chat.ChangeReaction, Key: "k", On: true},
		{User: r.Owner, ID: "4", Seq: seq, Kind: chat.ChangeEdit, Content: &x},
		{App: true, ID: "5", Seq: 1, Kind: chat.ChangeRecall}, // that the room was made
	} {
		if d := change(c); d.Err == nil || d.Err.Kind != chat.Forbidden {
			t.Errorf("%+v: %v", c, d.Err)
		}
	}
	took := chat.Change{App: true, ID: "6", Seq: seq, Kind: chat.ChangeRecall}
	for i := range 2 {
		if d := change(took); d.Err != nil || d.Repeat != (i > 0) || d.Message.Content != "" || !d.Message.Recalled() || d.Message.State.RecalledBy != 0 || d.ChangeSeq != 1 {
			t.Errorf("recall %d: %+v %v", i, d, d.Err)
		}
	}
	change(chat.Change{User: r.Owner, ID: "7", Seq: theirs, Kind: chat.ChangeRecall})
}

func post(t *testing.T, s storetest.Subject, send chat.Send) chat.Message {
	t.Helper()
	sent, err := s.Messages.Post(t.Context(), send, time.Now())
	if ok(t, err); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	return sent.Message
}
