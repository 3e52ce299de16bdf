package history

import (
	"fmt"
	"slices"
	"testing"
)

// Violation is a broken promise.
type Violation struct {
	Rule string // I1 … I13, C1 … C6
	Text string
}

func (v Violation) String() string {
	for _, r := range rules {
		if r.name == v.Rule {
			return v.Rule + " (" + r.promise + "): " + v.Text
		}
	}
	return v.Rule + ": " + v.Text
}

// rules are the promises that Check checks.
var rules = [...]struct{ name, promise string }{
	{"I1", "every acked message is in the database exactly once, with the acked seq and the sent content"},
	{"I2", "no message exists that was not sent, and none that was refused for good"},
	{"I3", "a room's seqs are 1 … last_seq, without holes or repeats; ord and msg_count count the real messages"},
	{"I4", "a client's messages in a room have the order in which it sent them"},
	{"I5", "what was acked before something was sent stands before it"},
	{"I6", "a client's view is the room's log: in order, each once, the same content, and in the end complete"},
	{"I7", "no user receives a message from outside their membership"},
	{"I8", "the unread count at rest is msg_count − read_count"},
	{"I9", "read pointers only grow and stay within the room"},
	{"I10", "presence: offline at most 20 s after the last socket died, never while one lived throughout"},
	{"I11", "the same client_msg_id gives the same seq for ever, and with other content a conflict"},
	{"I12", "what was acked is never lost"},
	{"I13", "every close has a documented code; clients reconnect after retryable ones and not after terminal ones"},
	{"C1", "every change that was done stands in the database once, and a retry never undoes a later change"},
	{"C2", "at rest all members hold the same state of every message that they may see"},
	{"C3", "a room's change_seqs are 1 … change_seq, and states never go back"},
	{"C4", "nobody receives a recalled text after its recall was reported to them, in any way"},
	{"C5", "unread counts follow from the numbers beside them, and at rest from the log"},
	{"C6", "who joined later, left or was removed receives no change that they may not see"},
}

// maxPerRule bounds the report: one bug may break a promise thousands of times.
const maxPerRule = 20

type key struct {
	room, user uint64
	id         string
}

type place struct{ room, seq uint64 }

type roomUser struct{ room, user uint64 }

// checker holds the evidence, indexed.
type checker struct {
	events []Event
	dump   Dump
	users  map[uint64]bool // whose clients are in the history
	rows   map[key][]DumpMessage
	log    map[place]DumpMessage
	rooms  map[uint64]DumpRoom
	member map[roomUser][]DumpMember
	sends  map[key][]Event
	acks   map[key][]Event
	life   *life

	found  []Violation
	counts map[string]int
}

// Check compares what clients saw with what the database holds, and returns the broken promises. The history must be at rest:
// every client has caught up (Chatter.AtRest) before it was stopped, or I6 reports what it lacks.
func Check(events []Event, dump Dump) []Violation {
	c := &checker{
		events: slices.Clone(events), dump: dump, users: map[uint64]bool{}, rows: map[key][]DumpMessage{},
		log: map[place]DumpMessage{}, rooms: map[uint64]DumpRoom{}, member: map[roomUser][]DumpMember{},
		sends: map[key][]Event{}, acks: map[key][]Event{}, counts: map[string]int{},
	}
	slices.SortStableFunc(c.events, func(a, b Event) int { return int(a.At - b.At) })
	c.index()
	c.indexChanges()
	c.durable()
	c.invented()
	c.dense()
	c.senderOrder()
	c.realTimeOrder()
	c.views()
	c.membership()
	c.unread()
	c.readPointers()
	c.presence()
	c.keys()
	c.closes()
	c.changes()
	c.stories()
	c.counted()
	return c.found
}

// MustHold fails the test for every violation.
func MustHold(t testing.TB, events []Event, dump Dump) {
	t.Helper()
	for _, v := range Check(events, dump) {
		t.Error(v)
	}
}

func (c *checker) report(rule, format string, args ...any) {
	c.counts[rule]++
	if c.counts[rule] <= maxPerRule {
		c.found = append(c.found, Violation{rule, fmt.Sprintf(format, args...)})
	}
}

func (c *checker) index() {
	for _, e := range c.events {
		c.users[e.User] = true
		k := key{e.Room, e.User, e.ID}
		switch e.Kind {
		case Sent:
			c.sends[k] = append(c.sends[k], e)
		case Acked:
			c.acks[k] = append(c.acks[k], e)
		}
	}
	for _, r := range c.dump.Rooms {
		c.rooms[r.ID] = r
	}
	for _, m := range c.dump.Messages {
		k := key{m.Room, m.Sender, m.ClientMsgID}
		c.rows[k] = append(c.rows[k], m)
		c.log[place{m.Room, m.Seq}] = m
	}
	for _, m := range slices.Concat(c.dump.Members, c.dump.Earlier) {
		k := roomUser{m.Room, m.User}
		c.member[k] = append(c.member[k], m)
	}
}

// durable is I1 and I12.
func (c *checker) durable() {
	for k, acks := range c.acks {
		rows := c.rows[k]
		if len(rows) == 0 {
			c.report("I12", "message %s of user %d in room %d was acked as %d and is missing", k.id, k.user, k.room, acks[0].Seq)
			continue
		}
		if len(rows) > 1 {
			c.report("I1", "message %s of user %d in room %d is stored %d times", k.id, k.user, k.room, len(rows))
		}
		for _, a := range acks {
			if a.Seq != rows[0].Seq {
				c.report("I1", "message %s of user %d in room %d was acked as %d and is stored at %d", k.id, k.user, k.room, a.Seq, rows[0].Seq)
			}
		}
		sends := c.sends[k]
		if s := c.life.states[place{k.room, rows[0].Seq}]; s.Version > 1 || s.Recalled {
			continue // C1 compares what became of it
		}
		if len(sends) > 0 && !slices.ContainsFunc(sends, func(s Event) bool { return s.Content == rows[0].Content }) {
			c.report("I1", "message %s of user %d in room %d has other content than was sent", k.id, k.user, k.room)
		}
	}
}

// invented is I2.
func (c *checker) invented() {
	for k, rows := range c.rows {
		if rows[0].Kind != "system" && c.users[k.user] && len(c.sends[k]) == 0 {
			c.report("I2", "message %s of user %d in room %d, seq %d, was never sent", k.id, k.user, k.room, rows[0].Seq)
		}
	}
	for _, e := range c.events {
		k := key{e.Room, e.User, e.ID}
		// A conflict is about other content under an id that is stored.
		if e.Kind == Nacked && !e.Retry && e.Word != "idempotency_conflict" && len(c.rows[k]) > 0 {
			c.report("I2", "message %s of user %d in room %d was refused for good (%s) and is stored", k.id, k.user, k.room, e.Word)
		}
	}
}

// dense is I3.
func (c *checker) dense() {
	msgs := slices.Clone(c.dump.Messages)
	slices.SortStableFunc(msgs, func(a, b DumpMessage) int {
		if a.Room != b.Room {
			return int(a.Room) - int(b.Room)
		}
		return int(a.Seq) - int(b.Seq)
	})
	last, ord := map[uint64]uint64{}, map[uint64]uint64{}
	for _, m := range msgs {
		if m.Seq != last[m.Room]+1 {
			c.report("I3", "room %d: seq %d follows %d", m.Room, m.Seq, last[m.Room])
		}
		if m.Kind != "system" {
			ord[m.Room]++
		}
		if m.Ord != ord[m.Room] {
			c.report("I3", "room %d: seq %d has ord %d, want %d", m.Room, m.Seq, m.Ord, ord[m.Room])
		}
		last[m.Room] = m.Seq
	}
	for _, r := range c.dump.Rooms {
		if r.LastSeq != last[r.ID] || r.MsgCount != ord[r.ID] {
			c.report("I3", "room %d says last_seq %d, msg_count %d; its messages say %d, %d", r.ID, r.LastSeq, r.MsgCount, last[r.ID], ord[r.ID])
		}
	}
}

// keys is I11.
func (c *checker) keys() {
	conflicts := map[key]bool{}
	for _, e := range c.events {
		if e.Kind == Nacked && e.Word == "idempotency_conflict" {
			conflicts[key{e.Room, e.User, e.ID}] = true
		}
	}
	for k, acks := range c.acks {
		for _, a := range acks[1:] {
			if a.Seq != acks[0].Seq {
				c.report("I11", "message %s of user %d in room %d was acked as %d, then as %d", k.id, k.user, k.room, acks[0].Seq, a.Seq)
			}
		}
	}
	for k, sends := range c.sends {
		for _, s := range sends[1:] {
			if s.Content != sends[0].Content && len(c.acks[k]) > 0 && !conflicts[k] {
				c.report("I11", "message %s of user %d in room %d was sent with two contents and no conflict was reported", k.id, k.user, k.room)
				break
			}
		}
	}
}
