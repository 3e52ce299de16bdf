package history

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// sane is a history and a dump that keep every promise: three clients of two users in one room, a system message, a
// retry, a refusal, a reconnect, reads, unread counts and presence.
func sane() ([]Event, Dump) {
	d := Dump{
		Rooms: []DumpRoom{{ID: 1, LastSeq: 5, MsgCount: 4, Epoch: 1}},
		Messages: []DumpMessage{
			{1, 1, 0, "system", 0, "", `{"event":"created"}`},
			{1, 2, 1, "text", 10, "a.1", "one"},
			{1, 3, 2, "text", 20, "b.1", "two"},
			{1, 4, 3, "text", 10, "a.2", "three"},
			{1, 5, 4, "text", 20, "b.2", "four"},
		},
		Members: []DumpMember{{1, 10, 1, 0, 4, 3}, {1, 20, 1, 0, 5, 4}, {1, 30, 1, 2, 0, 0}},
	}
	var events []Event
	at := time.Second
	add := func(es ...Event) {
		for _, e := range es {
			at += time.Millisecond
			e.At = at
			if e.Room == 0 && e.Kind != Opened && e.Kind != Closed && e.Kind != Watched {
				e.Room = 1
			}
			events = append(events, e)
		}
	}
	a := func(e Event) Event { e.Client, e.User, e.Conn = "a", 10, max(e.Conn, 1); return e }
	b := func(e Event) Event { e.Client, e.User, e.Conn = "b", 20, 1; return e }
	add(a(Event{Kind: Opened}), a(Event{Kind: Based}), b(Event{Kind: Opened}), b(Event{Kind: Based}))
	add(a(Event{Kind: Watched, About: 20, Online: true}))
	see := func(who func(Event) Event, m DumpMessage) {
		e := Event{Seq: m.Seq, About: m.Sender, ID: m.ClientMsgID, Content: m.Content}
		e.Kind = Received
		add(who(e))
		e.Kind = Shown
		add(who(e))
	}
	for _, m := range d.Messages[:3] {
		if m.Sender != 0 {
			who := a
			if m.Sender == 20 {
				who = b
			}
			add(who(Event{Kind: Sent, ID: m.ClientMsgID, Content: m.Content}))
			add(who(Event{Kind: Acked, ID: m.ClientMsgID, Seq: m.Seq}))
		}
		see(a, m)
		see(b, m)
	}
	add(a(Event{Kind: Sent, ID: "a.2", Content: "three"}), a(Event{Kind: Closed, Code: 1012}), a(Event{Kind: Opened, Conn: 2}))
	add(a(Event{Kind: Acked, ID: "a.2", Seq: 4, Duplicate: true, Conn: 2}), a(Event{Kind: Acked, ID: "a.2", Seq: 4, Conn: 2}))
	see(a, d.Messages[3])
	see(b, d.Messages[3])
	add(b(Event{Kind: Sent, ID: "b.bad", Content: ""}), b(Event{Kind: Nacked, ID: "b.bad", Word: "invalid"}))
	add(b(Event{Kind: Sent, ID: "b.2", Content: "four"}), b(Event{Kind: Acked, ID: "b.2", Seq: 5}))
	see(a, d.Messages[4])
	see(b, d.Messages[4])
	add(a(Event{Kind: ReadAt, Seq: 3, About: 20}), a(Event{Kind: ReadAt, Seq: 5, About: 20}), a(Event{Kind: Synced, Seq: 5, From: 4}))
	add(a(Event{Kind: Unread, Seq: 1, Final: true}))
	live(&d, add, a, b)
	at += time.Minute
	add(a(Event{Kind: Watched, About: 20, Online: true, Conn: 2}))
	add(a(Event{Kind: Closed, Code: 1006, Stop: true, Conn: 2}), b(Event{Kind: Closed, Code: 1000, Stop: true}))
	return events, d
}

// live adds what happens to the messages: an edit whose answer gets lost, a reaction, the same again, a pin, a recall.
func live(d *Dump, add func(...Event), a, b func(Event) Event) {
	d.Rooms[0].Changes = 4
	d.Logged = []DumpChange{{1, 1, "edit", 5, 20, 5, "", false}, {1, 2, "reaction", 5, 10, 5, "👍", true}, {1, 3, "pin", 5, 10, 5, "", true}, {1, 4, "recall", 4, 10, 5, "", false}}
	d.Asked = []DumpAsked{
		{1, 20, "b.e", 5, 1, 2}, {1, 10, "a.r", 5, 2, 2}, {1, 10, "a.same", 5, 3, 2}, {1, 10, "a.p", 5, 3, 2}, {1, 10, "a.x", 4, 4, 1},
	}
	d.States = []DumpState{{1, 4, 4, 1, true, false}, {1, 5, 3, 2, false, true}}
	d.Reactions = []DumpReaction{{1, 5, "👍", 10}}
	d.Messages[3].Content, d.Messages[4].Content = "", "fourth"
	yes, fourth, thumb := true, "fourth", Reactions(map[string][]uint64{"👍": {10}})
	heard := func(change, seq uint64, s Seen) {
		s.Change = change
		for _, who := range []func(Event) Event{a, b} {
			add(who(Event{Kind: Changed, Seq: seq, Change: change, Prev: change - 1, AtSeq: 5, Seen: &s}))
		}
	}
	add(b(Event{Kind: Asked, Seq: 5, ID: "b.e", Word: "edit", Content: fourth}), b(Event{Kind: Done, Seq: 5, ID: "b.e", Change: 1, Version: 2}))
	heard(1, 5, Seen{Version: 2, Content: &fourth})
	add(a(Event{Kind: Asked, Seq: 5, ID: "a.r", Word: "reaction", Key: "👍", On: true}), a(Event{Kind: Done, Seq: 5, ID: "a.r", Change: 2, Version: 2}))
	heard(2, 5, Seen{Version: 2, Reactions: &thumb})
	add(b(Event{Kind: Done, Seq: 5, ID: "b.e", Change: 1, Version: 2})) // the answer that was lost
	add(a(Event{Kind: Asked, Seq: 5, ID: "a.p", Word: "pin", On: true}), a(Event{Kind: Done, Seq: 5, ID: "a.p", Change: 3, Version: 2}))
	heard(3, 5, Seen{Version: 2, Pinned: &yes})
	add(a(Event{Kind: Asked, Seq: 5, ID: "a.same", Word: "reaction", Key: "👍", On: true}), a(Event{Kind: Done, Seq: 5, ID: "a.same", Change: 3, Version: 2}))
	add(a(Event{Kind: Counted, Change: 3, Last: 5, Read: 3, Unread: 2}))
	add(a(Event{Kind: Asked, Seq: 4, ID: "a.x", Word: "recall"}), a(Event{Kind: Done, Seq: 4, ID: "a.x"}))
	heard(4, 4, Seen{Version: 1, Recalled: &yes})
	add(a(Event{Kind: Counted, Change: 4, Last: 5, Read: 3, Unread: 1}), a(Event{Kind: Counted, Change: 4, Last: 5, Read: 4, Unread: 1}))
	add(a(Event{Kind: Paged, Seq: 4, Began: time.Second, Seen: &Seen{Content: &d.Messages[1].Content}})) // it was asked for before
}

func TestCheckAcceptsWhatIsRight(t *testing.T) {
	t.Parallel()
	events, d := sane()
	for _, v := range Check(events, d) {
		t.Error(v)
	}
}

// b left and came back while their client was away: it goes on showing what it has of before, and is told nothing of it any more.
func TestCheckAcceptsWhoCameBack(t *testing.T) {
	t.Parallel()
	events, d := sane()
	d.Earlier = append(d.Earlier, DumpMember{Room: 1, User: 20, VisibleFrom: 1, LeftSeq: 6})
	d.Members[1].VisibleFrom = 7
	missed := func(e Event) bool { return e.Kind == Changed && e.Change == 4 && e.Client == "b" }
	i := slices.IndexFunc(events, missed)
	events[i].Kind, events[i].Word, events[i].Seq, events[i].Change, events[i].Seen = Based, "visible", 6, 0, nil
	for _, v := range Check(events, d) {
		t.Error(v)
	}
	d.Members[1].VisibleFrom = 1
	if found := Check(events, d); !slices.ContainsFunc(found, func(v Violation) bool { return v.Rule == "C2" }) {
		t.Errorf("a member who may see it missed a change, and only this was found: %v", found)
	}
}

// planted break one promise each.
var planted = []struct {
	rule, what string
	plant      func([]Event, *Dump) []Event
}{
	{"I12", "an acked message is lost", func(es []Event, d *Dump) []Event {
		d.Messages = d.Messages[:4]
		return es
	}},
	{"I1", "a message is there twice", func(es []Event, d *Dump) []Event {
		d.Messages = append(d.Messages, DumpMessage{1, 6, 5, "text", 20, "b.2", "four"})
		return es
	}},
	{"I1", "acked with another seq", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Acked && e.ID == "b.1" }, func(e *Event) { e.Seq = 2 })
	}},
	{"I1", "stored with another content", func(es []Event, d *Dump) []Event {
		d.Messages[1].Content = "One"
		return es
	}},
	{"I2", "a message that nobody sent", func(es []Event, _ *Dump) []Event {
		return slices.DeleteFunc(es, func(e Event) bool { return e.Kind == Sent && e.ID == "b.1" })
	}},
	{"I2", "refused for good and there", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Nacked }, func(e *Event) { e.ID = "b.2" })
	}},
	{"I3", "a hole", func(es []Event, d *Dump) []Event {
		d.Messages = slices.Delete(d.Messages, 0, 1)
		return es
	}},
	{"I3", "last_seq is ahead", func(es []Event, d *Dump) []Event {
		d.Rooms[0].LastSeq = 6
		return es
	}},
	{"I3", "a system message counts", func(es []Event, d *Dump) []Event {
		d.Rooms[0].MsgCount = 5
		return es
	}},
	{"I3", "ord is wrong", func(es []Event, d *Dump) []Event {
		d.Messages[2].Ord = 1
		return es
	}},
	{"I4", "a client's messages are swapped", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Acked && e.User == 10 }, func(e *Event) { e.Seq = 6 - e.Seq })
	}},
	{"I5", "sent later, stands before", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Acked && e.ID == "b.2" }, func(e *Event) { e.Seq = 3 })
	}},
	{"I6", "a view skips one", func(es []Event, _ *Dump) []Event {
		return slices.DeleteFunc(es, func(e Event) bool { return e.Kind == Shown && e.Client == "b" && e.Seq == 3 })
	}},
	{"I6", "a view shows one twice", func(es []Event, _ *Dump) []Event {
		i := slices.IndexFunc(es, func(e Event) bool { return e.Kind == Shown && e.Seq == 3 })
		return slices.Insert(es, i, es[i])
	}},
	{"I6", "a view ends early", func(es []Event, _ *Dump) []Event {
		return slices.DeleteFunc(es, func(e Event) bool { return e.Kind == Shown && e.Client == "a" && e.Seq == 5 })
	}},
	{"I6", "another content is shown", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Received && e.Seq == 5 }, func(e *Event) { e.Content = "vier" })
	}},
	{"I6", "partial recovery passes for complete", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Synced }, func(e *Event) { e.Kind = Hole })
	}},
	{"I7", "received after leaving", func(es []Event, d *Dump) []Event {
		return append(es, Event{At: time.Hour, Kind: Received, Client: "c", User: 30, Room: 1, Seq: 3, About: 20, ID: "b.1", Content: "two"})
	}},
	{"I7", "received as a stranger", func(es []Event, d *Dump) []Event {
		return append(es, Event{At: time.Hour, Kind: Received, Client: "c", User: 40, Room: 1, Seq: 2, About: 10, ID: "a.1", Content: "one"})
	}},
	{"I8", "a wrong unread count", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Unread }, func(e *Event) { e.Seq = 2 })
	}},
	{"I9", "a pointer goes back", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == ReadAt }, func(e *Event) { e.Seq = 8 - e.Seq })
	}},
	{"I9", "a pointer beyond the end", func(es []Event, d *Dump) []Event {
		d.Members[1].ReadSeq = 6
		return es
	}},
	{"I9", "a count that does not belong to the pointer", func(es []Event, d *Dump) []Event {
		d.Members[0].ReadCount = 2
		return es
	}},
	{"I10", "offline while a socket lives", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Watched && e.Conn == 2 }, func(e *Event) { e.Online = false })
	}},
	{"I10", "online for ever", func(es []Event, _ *Dump) []Event {
		es = slices.DeleteFunc(es, func(e Event) bool { return e.Kind == Watched && e.Conn == 2 })
		es = change(es, func(e *Event) bool { return e.Kind == Watched }, func(e *Event) { e.Conn = 2 })
		return change(es, func(e *Event) bool { return e.Kind == Closed && e.Client == "b" }, func(e *Event) { e.At = 2 * time.Second })
	}},
	{"I11", "another seq for the same id", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Acked && e.Duplicate }, func(e *Event) { e.Seq = 5 })
	}},
	{"I11", "another content without a conflict", func(es []Event, _ *Dump) []Event {
		i := slices.IndexFunc(es, func(e Event) bool { return e.Kind == Sent && e.ID == "a.2" })
		other := es[i]
		other.Content = "drei"
		return slices.Insert(es, i+1, other)
	}},
	{"I13", "an undocumented close code", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Code == 1012 }, func(e *Event) { e.Code = 4099 })
	}},
	{"I13", "back after a final close", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Code == 1012 }, func(e *Event) { e.Code = 4502 })
	}},
	{"C1", "done and forgotten", func(es []Event, d *Dump) []Event {
		d.Asked = d.Asked[:4]
		return es
	}},
	{"C1", "a retry is another change", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Done && e.ID == "b.e" }, func(e *Event) { e.Change++ })
	}},
	{"C1", "a change is made twice", func(es []Event, d *Dump) []Event {
		d.Rooms[0].Changes = 5
		d.Logged = append(d.Logged, DumpChange{1, 5, "edit", 5, 20, 5, "", false})
		d.States[1].Change, d.States[1].Version = 5, 3
		return es
	}},
	{"C1", "a retry undoes a later edit", func(es []Event, d *Dump) []Event {
		d.Messages[4].Content = "four"
		return es
	}},
	{"C1", "a reaction gets lost", func(es []Event, d *Dump) []Event {
		d.Reactions = nil
		return es
	}},
	{"C2", "a client misses a change", func(es []Event, _ *Dump) []Event {
		return slices.DeleteFunc(es, func(e Event) bool { return e.Kind == Changed && e.Change == 2 && e.Client == "b" })
	}},
	{"C2", "a client misses the last one", func(es []Event, _ *Dump) []Event {
		return slices.DeleteFunc(es, func(e Event) bool { return e.Kind == Changed && e.Change == 4 && e.Client == "a" })
	}},
	{"C3", "a number is left out", func(es []Event, d *Dump) []Event {
		d.Logged = slices.Delete(d.Logged, 1, 2)
		return es
	}},
	{"C3", "a state is behind its changes", func(es []Event, d *Dump) []Event {
		d.States[1].Version = 1
		return es
	}},
	{"C3", "a version falls", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Changed && e.Change == 3 }, func(e *Event) { e.Seen.Version = 1 })
	}},
	{"C4", "a recalled text comes again", func(es []Event, d *Dump) []Event {
		three := "three"
		return append(es, Event{At: time.Hour, Kind: Received, Client: "b", User: 20, Room: 1, Seq: 4, About: 10, ID: "a.2", Content: three, Seen: &Seen{Version: 1, Content: &three}})
	}},
	{"C4", "a page holds a recalled text", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Paged }, func(e *Event) { e.Began = e.At })
	}},
	{"C5", "a recalled message counts", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Counted && e.Read == 3 }, func(e *Event) { e.Unread = 2 })
	}},
	{"C5", "a recall counts twice", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Kind == Counted && e.Read == 4 }, func(e *Event) { e.Unread = 0 })
	}},
	{"C6", "told after leaving", func(es []Event, _ *Dump) []Event {
		return append(es, Event{At: time.Hour, Kind: Changed, Client: "c", User: 30, Room: 1, Seq: 2, Change: 4, AtSeq: 5, Seen: &Seen{Change: 4}})
	}},
	{"C6", "told of what was before joining", func(es []Event, d *Dump) []Event {
		d.Members[1].VisibleFrom = 5
		return es
	}},
	{"C6", "a bare change reaches a stranger", func(es []Event, _ *Dump) []Event {
		return append(es, Event{At: time.Hour, Kind: Changed, Client: "d", User: 40, Room: 1, Change: 4, AtSeq: 5})
	}},
	{"I13", "not back after a retryable close", func(es []Event, _ *Dump) []Event {
		return change(es, func(e *Event) bool { return e.Code == 1006 }, func(e *Event) { e.Stop = false })
	}},
}

func change(es []Event, pick func(*Event) bool, do func(*Event)) []Event {
	for i := range es {
		if pick(&es[i]) {
			do(&es[i])
		}
	}
	return es
}

func TestCheckCatchesPlantedViolations(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range planted {
		t.Run(p.rule+" "+p.what, func(t *testing.T) {
			t.Parallel()
			events, d := sane()
			events = p.plant(events, &d)
			found := Check(events, d)
			if !slices.ContainsFunc(found, func(v Violation) bool { return v.Rule == p.rule }) {
				t.Errorf("not caught; found %v", found)
			}
		})
		seen[p.rule] = true
	}
	for _, r := range rules {
		if !seen[r.name] {
			t.Errorf("nothing is planted for %s", r.name)
		}
	}
}

func TestCheckIsBrief(t *testing.T) {
	t.Parallel()
	events, d := sane()
	for i := range 1000 {
		events = append(events, Event{At: time.Hour, Kind: Acked, Client: "a", User: 10, Room: 1, ID: fmt.Sprint("lost", i), Seq: 9})
	}
	n := 0
	for _, v := range Check(events, d) {
		if v.Rule == "I12" {
			n++
		}
	}
	if n != maxPerRule {
		t.Errorf("%d reports of one mistake", n)
	}
}

func TestViolationNamesThePromise(t *testing.T) {
	t.Parallel()
	if s := (Violation{"I12", "message x is gone"}).String(); !strings.Contains(s, "I12") || !strings.Contains(s, "never lost") || !strings.Contains(s, "message x is gone") {
		t.Error(s)
	}
}
