package worker

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// failing has the next n calls of the store's verbs fail; others do their work.
func (w *fakes) failing(n int, verbs ...string) {
	var mu sync.Mutex
	w.store.Before(func(_ context.Context, verb string) error {
		mu.Lock()
		defer mu.Unlock()
		if n == 0 || !slices.Contains(verbs, verb) {
			return nil
		}
		n--
		return errDown
	})
}

// rest is a change that REST made: it leaves a row in the outbox.
func (w *fakes) rest(t *testing.T, c chat.Change) {
	t.Helper()
	if done, err := w.store.PostChange(t.Context(), c, time.Now()); err != nil || done.Err != nil || done.NoOp {
		t.Errorf("a change by REST: %+v, %v", done, err)
	}
}

// stage is a worker over a room of a member, with two messages of theirs, and an admin, the writer; it is announced to gateway g2.b, whose member asks by g1.a.
func stage(t *testing.T, tune ...func(*Options)) (*fakes, *Worker) {
	t.Helper()
	w := newFakes()
	w.room(1, 5)
	w.store.AddMember(chat.Member{Room: 1, User: writer, Role: chat.Admin, VisibleFrom: 1})
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g2.b": 1}}
	k := w.start(t, tune...)
	wait(t, give(k, false, sendCmd(1, 5, "a", "one"), sendCmd(1, 5, "b", "two")), "messages")
	for range 4 {
		w.next(t, envelope.InRoom)
	}
	return w, k
}

func editCmd(seq chat.Seq, id, content string) envelope.Command {
	c := changeCmd(seq, id, chat.ChangeEdit)
	c.Content, c.Change.HasContent = content, true
	return c
}

func reactCmd(seq chat.Seq, id, key string) envelope.Command {
	c := changeCmd(seq, id, chat.ChangeReaction)
	c.Change.Key, c.Change.On = key, true
	return c
}

func changeCmd(seq chat.Seq, id string, kind chat.ChangeKind) envelope.Command {
	return envelope.Command{
		Kind: envelope.Change, Gateway: "g1.a", Socket: 7, User: 5, Session: "s", Room: 1, Seq: seq, ErrorRef: "ref-" + id,
		Change: envelope.Asked{What: kind, ID: id},
	}
}

// has fails unless all of the parts are in a frame.
func has(t *testing.T, frame []byte, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !bytes.Contains(frame, []byte(p)) {
			t.Errorf("%s: want %s in it", frame, p)
		}
	}
}

// told returns the next changes that reach the bus, in short: "prev-change_seq:seq@at_seq".
func told(t *testing.T, w *fakes, n int) (all []string, last envelope.Delivery) {
	t.Helper()
	for range n {
		last = w.next(t, envelope.Changed)
		all = append(all, fmt.Sprintf("%d-%d:%d@%d", last.Prev, last.Changes, last.Seq, last.AtSeq))
	}
	return all, last
}

func TestChangeIsDoneThenTold(t *testing.T) {
	w, k := stage(t)
	acked := give(k, false, editCmd(1, "e1", "uno"), changeCmd(2, "r1", chat.ChangeRecall))
	for _, want := range []string{`"change_id":"e1","room_id":1,"seq":1,"change_seq":1,"version":2`, `"change_id":"r1","room_id":1,"seq":2,"change_seq":2,"version":1`} {
		d := w.next(t, envelope.ToSocket)
		has(t, d.Frame, `"type":"done"`, want)
		if d.Gateway != "g1.a" || d.Socket != 7 || d.Ref == "" {
			t.Errorf("done names %s/%d %q", d.Gateway, d.Socket, d.Ref)
		}
	}
	edit, recall := w.next(t, envelope.Changed), w.next(t, envelope.Changed)
	has(t, edit.Frame, `"type":"change"`, `"change_seq":1,"prev":0,"at_seq":2`, `"content":"uno"`, `"cause":{"kind":"edit","by":5}`)
	has(t, recall.Frame, `"change_seq":2,"prev":1,"at_seq":2`, `"content":""`, `"recalled":{"by":5,`)
	if bytes.Contains(edit.Bare, []byte("uno")) || bytes.Contains(edit.Bare, []byte("cause")) || edit.AtSeq != 2 || edit.Changes != 1 || recall.Prev != 1 {
		t.Errorf("edit %+v, recall %+v", edit, recall)
	}
	wait(t, acked, "batch acknowledged")
}

// TestMessagesDontWaitForChanges: a message is told before the changes of its batch are committed; the batch is held until all is out.
func TestMessagesDontWaitForChanges(t *testing.T) {
	w, k := stage(t)
	release := make(chan struct{})
	w.store.Before(func(_ context.Context, verb string) error {
		if verb == "Apply" {
			<-release
		}
		return nil
	})
	acked := give(k, false, editCmd(1, "e1", "uno"), sendCmd(1, writer, "m", "drei"))
	if d := w.next(t, envelope.InRoom); d.Seq != 3 || len(d.Ack) == 0 {
		t.Errorf("got %+v, want the message", d)
	}
	select {
	case <-acked:
		t.Error("acknowledged before the change is committed")
	default:
	}
	close(release)
	has(t, w.next(t, envelope.ToSocket).Frame, `"type":"done"`, `"change_id":"e1"`)
	if got, _ := told(t, w, 1); got[0] != "0-1:1@3" {
		t.Errorf("told %v", got)
	}
	wait(t, acked, "acknowledged")
}

func TestRefusedChanges(t *testing.T) {
	w, k := stage(t)
	long := editCmd(1, "long", strings.Repeat("x", 17<<10))
	deep := editCmd(1, "deep", "x")
	deep.Data, deep.Change.HasData = "[1]", true
	pin := changeCmd(1, "pin", chat.ChangePin)
	pin.Change.On = true
	for _, c := range []struct {
		cmd  envelope.Command
		want string
	}{
		{editCmd(9, "e9", "x"), `"code":"not_found"`},
		{editCmd(1, "ä", "x"), `"code":"invalid"`},
		{long, `"code":"too_large"`},
		{editCmd(1, "nul", "\x00"), `"code":"invalid"`},
		{reactCmd(1, "k", "a b"), `"code":"invalid"`},
		{deep, `"code":"invalid"`},
		{pin, `"code":"forbidden"`},
	} {
		wait(t, give(k, false, c.cmd), "acknowledged")
		d := w.next(t, envelope.ToSocket)
		has(t, d.Frame, c.want, `"ref":"ref-`+c.cmd.Change.ID+`"`)
		if d.Ref != c.cmd.ErrorRef {
			t.Errorf("the gateway is told of %q, want %q", d.Ref, c.cmd.ErrorRef)
		}
	}
	w.failing(1000, "Apply")
	wait(t, give(k, false, editCmd(1, "e1", "x")), "acknowledged")
	has(t, w.next(t, envelope.ToSocket).Frame, `"code":"unavailable"`, `"retry":true`)
}

// TestRepeatedChange: a repeat gets the first numbers, and shows the message as it is now: it undoes nothing.
func TestRepeatedChange(t *testing.T) {
	w, k := stage(t)
	wait(t, give(k, false, editCmd(1, "e1", "uno")), "edit")
	wait(t, give(k, false, editCmd(1, "e2", "eins")), "another")
	told(t, w, 2)
	wait(t, give(k, true, editCmd(1, "e1", "uno")), "the first again")
	has(t, w.next(t, envelope.ToSocket).Frame, `"type":"done"`, `"change_seq":1`)
	got, d := told(t, w, 1)
	if got[0] != "0-1:1@2" {
		t.Errorf("told %v", got)
	}
	has(t, d.Frame, `"message":{"seq":1,"change_seq":2,"version":3,"content":"eins"`)
	wait(t, give(k, false, editCmd(1, "e3", "eins")), "nothing to change")
	has(t, w.next(t, envelope.ToSocket).Frame, `"change_id":"e3"`, `"change_seq":2`)
	wait(t, give(k, false, editCmd(2, "e4", "zwei")), "the next")
	if got, _ := told(t, w, 1); got[0] != "2-3:2@2" {
		t.Errorf("what changed nothing was told, or took a number: %v", got)
	}
}

// TestOutboxGoesBeforeAChange: what REST wrote before, the message that a change is about among it, is announced before the change; what it
// wrote after, later.
func TestOutboxGoesBeforeAChange(t *testing.T) {
	w, k := stage(t, func(o *Options) { o.OutboxPoll = time.Hour })
	m := w.post(t, 1)
	w.rest(t, chat.Change{Room: 1, Seq: 1, User: writer, ID: "pin", Kind: chat.ChangePin, On: true})
	var once sync.Once
	w.store.After(func(_ context.Context, verb string) {
		if verb == "Apply" { // it is committed, and not announced yet
			once.Do(func() {
				w.rest(t, chat.Change{Room: 1, Seq: 2, User: writer, ID: "late", Kind: chat.ChangePin, On: true})
			})
		}
	})
	edit := editCmd(m.Seq, "e1", "drei")
	edit.User = writer // it is theirs
	wait(t, give(k, false, edit), "edit")
	if d := w.next(t, envelope.InRoom); d.Seq != m.Seq {
		t.Errorf("first %+v, want the message", d)
	}
	if got, _ := told(t, w, 2); fmt.Sprint(got) != "[0-1:1@3 1-2:3@3]" {
		t.Errorf("told %v", got)
	}
	wait(t, give(k, false, editCmd(1, "e2", "uno")), "the next edit")
	if got, _ := told(t, w, 2); fmt.Sprint(got) != "[2-3:2@3 3-4:1@3]" {
		t.Errorf("then told %v", got)
	}
}

// TestRESTChangesAreToldAsTheyAreNow: a text that was recalled since is not told any more.
func TestRESTChangesAreToldAsTheyAreNow(t *testing.T) {
	w, k := stage(t, func(o *Options) { o.OutboxPoll = time.Hour })
	secret := "secret"
	w.rest(t, chat.Change{Room: 1, Seq: 1, User: 5, ID: "x1", Kind: chat.ChangeEdit, Content: &secret})
	w.rest(t, chat.Change{Room: 1, Seq: 1, User: writer, ID: "x2", Kind: chat.ChangeRecall})
	w.failing(1, "States")
	wait(t, give(k, false, sendCmd(1, 5, "c", "three")), "a message") // it doesn't wait for them
	eventually(t, "it listens", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.call != nil })
	w.call()
	got, d := told(t, w, 1)
	if got[0] != "0-2:1@2" || bytes.Contains(d.Frame, []byte(secret)) {
		t.Errorf("told %v: %s", got, d.Frame)
	}
	has(t, d.Frame, `"content":""`, `"recalled":`)
	eventually(t, "rows deleted", func() bool { return len(w.waiting(t)) == 0 })
}

// TestReactionsWaitForEachOther: the first reaction is told at once, the others within 200 ms and together; whatever else changes takes them
// along, and no number is left out.
func TestReactionsWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := stage(t)
		began := time.Now()
		react := func(n int, seq chat.Seq) {
			t.Helper()
			wait(t, give(k, false, reactCmd(seq, fmt.Sprint("k", n), fmt.Sprint("key", n))), "reaction")
			has(t, w.next(t, envelope.ToSocket).Frame, `"type":"done"`, fmt.Sprintf(`"change_seq":%d`, n)) // at once
		}
		after := func(d time.Duration, want string, n int) envelope.Delivery {
			t.Helper()
			got, last := told(t, w, n)
			if fmt.Sprint(got) != want || time.Since(began) != d {
				t.Errorf("told %v after %v, want %v after %v", got, time.Since(began), want, d)
			}
			return last
		}
		react(1, 1)
		after(0, "[0-1:1@2]", 1)
		time.Sleep(50 * time.Millisecond)
		react(2, 1)
		react(3, 2)
		react(4, 1)
		d := after(200*time.Millisecond, "[1-3:2@2 3-4:1@2]", 2)
		has(t, d.Frame, `"key":"key1"`, `"key":"key2"`, `"key":"key4"`, `"content":"one"`) // all that is in them
		time.Sleep(100 * time.Millisecond)
		react(5, 1)
		wait(t, give(k, false, editCmd(1, "e6", "uno")), "edit")
		d = after(300*time.Millisecond, "[4-6:1@2]", 1)
		has(t, d.Frame, `"key":"key5"`, `"content":"uno"`, `"kind":"edit"`)
		time.Sleep(time.Second)
		react(7, 1)
		after(1300*time.Millisecond, "[6-7:1@2]", 1)
		react(8, 1)
		k.Closed(chat.RoomID(1).Partition(4), 1) // another worker takes over
		after(1300*time.Millisecond, "[7-8:1@2]", 1)
	})
}

// TestReactionsOfACrowd: however many react to one message, the room gets as many frames as after a few.
func TestReactionsOfACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := stage(t, func(o *Options) { o.Limits.UserMessagesPerSecond = 0 })
		const crowd = 1000
		for n := 0; n < crowd; n += 100 {
			cmds := make([]envelope.Command, 100)
			for i := range cmds {
				cmds[i] = reactCmd(1, fmt.Sprint("k", n+i), fmt.Sprint("key", n+i))
			}
			wait(t, give(k, false, cmds...), "reactions")
		}
		got, last := told(t, w, 2)
		if fmt.Sprint(got) != "[0-100:1@2 100-1000:1@2]" {
			t.Errorf("told %v", got)
		}
		has(t, last.Frame, `"key":"key0"`, fmt.Sprintf(`"key":"key%d"`, crowd-1))
	})
}

// TestMine: one's other devices learn which reactions are one's own.
func TestMine(t *testing.T) {
	w, k := stage(t)
	wait(t, give(k, false, reactCmd(1, "k1", "a"), reactCmd(1, "k2", "b")), "reactions")
	w.next(t, envelope.ToUser)
	d := w.next(t, envelope.ToUser)
	has(t, d.Frame, `"type":"mine"`, `"room_id":1,"seq":1,"keys":["a","b"]`)
	if d.User != 5 || d.Gateway != "g1.a" || d.Socket != 7 {
		t.Errorf("for %+v", d)
	}
	wait(t, give(k, false, reactCmd(1, "k3", "c")), "reaction") // two of one socket are one frame for each gateway
	has(t, w.next(t, envelope.ToUser).Frame, `"keys":["a","b","c"]`)
}

// TestHeadsOfChanges: whoever attaches a room, or hears a digest of it, learns its last change.
func TestHeadsOfChanges(t *testing.T) {
	w, k := stage(t, func(o *Options) { o.DigestEvery = 5 * time.Millisecond })
	wait(t, give(k, false, editCmd(1, "e1", "uno")), "edit")
	deadline := time.Now().Add(10 * time.Second)
	for d := w.next(t, envelope.Heads); len(d.Points) != 1 || d.Points[0].Changes != 1; d = w.next(t, envelope.Heads) {
		if time.Now().After(deadline) {
			t.Fatalf("the digest shows %v", d.Points)
		}
	}
	wait(t, give(k, false, envelope.Command{Kind: envelope.Attach, Gateway: "g3.c", Room: 1, Number: 1}), "attach")
	if d := w.next(t, envelope.Attached); d.Changes != 1 || d.Seq != 2 {
		t.Errorf("attached at %d, change %d", d.Seq, d.Changes)
	}
}

// TestSendMoreKeepsItsPlace: messages with data come in one order with the others, and their data is checked.
func TestSendMoreKeepsItsPlace(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	k := w.start(t)
	more := sendCmd(1, 5, "b", "")
	more.Kind, more.Data, more.ClientSeq = envelope.SendMore, `{"b":1,"a":2}`, 2
	one, three := sendCmd(1, 5, "a", "one"), sendCmd(1, 5, "c", "three")
	one.ClientSeq, three.ClientSeq = 1, 3
	wait(t, give(k, false, one, more, three), "acknowledged")
	for seq := chat.Seq(1); seq <= 3; seq++ {
		d := w.next(t, envelope.InRoom)
		if d.Seq != seq || len(d.Ack) == 0 {
			t.Errorf("got %+v, want %d", d, seq)
		}
		if seq == 2 {
			has(t, d.Frame, `"data":{"a":2,"b":1}`, `"content":""`)
		}
	}
	more.ClientSeq, more.ClientMsgID, more.Data = 0, "d", "[]"
	wait(t, give(k, false, more), "acknowledged")
	has(t, w.next(t, envelope.ToSocket).Frame, `"code":"invalid"`, `"ref":"d"`)
}

// TestProfiles: a new nickname is shown at once, further ones once a second, as they are then; reactions don't wait for that.
func TestProfiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := stage(t)
		eventually(t, "it listens", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.call != nil })
		began := time.Now()
		rename := func(name string) {
			w.store.Announce(envelope.Announcement{Profile: &chat.User{ID: 5, Nickname: name}})
			w.call()
			synctest.Wait()
		}
		shown := func(name string, after time.Duration) {
			t.Helper()
			d := w.next(t, envelope.Profile)
			has(t, d.Frame, `"type":"user"`, `"nickname":"`+name+`"`)
			if len(d.Points) != 1 || d.Points[0].Room != 1 || d.User != 5 || time.Since(began).Round(100*time.Millisecond) != after {
				t.Errorf("shown after %v: %+v", time.Since(began), d)
			}
		}
		rename("Ann")
		shown("Ann", 0)
		rename("Anna")
		rename("Annie")
		wait(t, give(k, false, reactCmd(1, "k1", "a"), reactCmd(1, "k2", "b")), "reactions")
		wait(t, give(k, false, reactCmd(1, "k3", "c")), "another")
		if got, _ := told(t, w, 2); fmt.Sprint(got) != "[0-2:1@2 2-3:1@2]" || time.Since(began) > 400*time.Millisecond {
			t.Errorf("told %v after %v", got, time.Since(began))
		}
		shown("Annie", time.Second)
	})
}
