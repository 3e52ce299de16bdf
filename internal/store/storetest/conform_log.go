package storetest

import (
	"fmt"
	"reflect"
	"time"

	"chat-service/internal/chat"
)

// answers renders what Append says: the seq, "dup" where it was there, or the error's kind.
func answers(sent []chat.Sent) (out []string) {
	for _, s := range sent {
		switch {
		case s.Err != nil && s.Err.Kind == chat.OutOfOrder:
			out = append(out, fmt.Sprintf("%s, expected %d", s.Err.Kind, s.Err.Expected))
		case s.Err != nil:
			out = append(out, s.Err.Kind.String())
		case s.Duplicate:
			out = append(out, s.Message.Seq.String()+" dup")
		default:
			out = append(out, s.Message.Seq.String())
		}
	}
	return out
}

// stage is a room with an owner, a muted member, one who has left and a stranger.
type stage struct {
	*trial
	room                         chat.RoomID
	owner, muted, left, stranger chat.UserID
}

func (t *trial) stage() *stage {
	t.Helper()
	u := t.users(4)
	s := &stage{trial: t, room: t.room(chat.Private, u[:3]...), owner: u[0], muted: u[1], left: u[2], stranger: u[3]}
	t.say(s.room, s.left, "before")
	_, err := t.Members.Mute(t.ctx, s.room, s.owner, s.muted, time.Now().Add(time.Hour))
	t.ok(err)
	t.ok(t.Members.RemoveMember(t.ctx, s.room, s.left, s.left))
	return s // the next seq is 5
}

// append appends one batch and compares the answers.
func (s *stage) append(want []string, sends ...chat.Send) {
	s.Helper()
	sent, heads, err := s.Messages.Append(s.ctx, sends, time.Now())
	s.ok(err)
	s.same("answers", answers(sent), want)
	if len(heads) != 1 || heads[0].Room != s.room || heads[0].Seq != s.member(s.room, s.owner).Room.LastSeq {
		s.Errorf("heads: %+v", heads)
	}
}

// everyField: what a sender writes stands in the log, field by field.
func everyField(t *trial) {
	u := t.user()
	in := numbered(send(t.room(chat.Private, u), u, "a"), "s", 1)
	v := reflect.ValueOf(&in).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.IsZero() && f.Kind() == reflect.String {
			f.SetString("x") // a field that is newer than this rule
		} else if v.Type().Field(i).Name == "ReplyTo" {
			f.SetUint(1)
		}
	}
	sent, _, err := t.Messages.Append(t.ctx, []chat.Send{in}, time.Now())
	t.ok(err)
	stored, err := t.Messages.Messages(t.ctx, in.Room, 2, 2, 1)
	t.ok(err)
	for _, m := range append(stored, sent[0].Message) {
		got := reflect.ValueOf(m)
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if f := got.FieldByName(name); f.IsValid() && !reflect.DeepEqual(f.Interface(), v.Field(i).Interface()) {
				t.Errorf("%s is %v in the log, sent was %v", name, f, v.Field(i))
			}
		}
	}
	t.same("messages", len(stored), 1)
}

func numbered(s chat.Send, session chat.SessionID, n uint64) chat.Send {
	s.Session, s.ClientSeq = session, n
	return s
}

func refused(s chat.Send) chat.Send {
	s.Refused = chat.E(chat.TooLarge, "too large")
	return s
}

func logRules() []rule {
	one := func(name string, sends func(s *stage) []chat.Send, want ...string) rule {
		return rule{"append/" + name, func(t *trial) { s := t.stage(); s.append(want, sends(s)...) }}
	}
	return []rule{
		{"append/every field", everyField},
		one("seqs are dense, in the order of the batch", func(s *stage) []chat.Send {
			return []chat.Send{send(s.room, s.owner, "a"), send(s.room, s.owner, "b"), send(s.room, s.owner, "c")}
		}, "5", "6", "7"),
		one("a repeat in the batch is a duplicate", func(s *stage) []chat.Send {
			return []chat.Send{send(s.room, s.owner, "a"), send(s.room, s.owner, "a"), send(s.room, s.owner, "b")}
		}, "5", "5 dup", "6"),
		one("another body under the id is a conflict", func(s *stage) []chat.Send {
			other := send(s.room, s.owner, "a")
			other.Content = "other"
			return []chat.Send{send(s.room, s.owner, "a"), other}
		}, "5", chat.IdempotencyConflict.String()),
		one("ids differ by case and by sender", func(s *stage) []chat.Send {
			return []chat.Send{send(s.room, s.owner, "before"), send(s.room, s.owner, "BEFORE"), send(s.room, s.left, "before")}
		}, "5", "6", "2 dup"),
		one("a stranger sees no room", func(s *stage) []chat.Send { return []chat.Send{send(s.room, s.stranger, "a")} }, chat.NotFound.String()),
		one("who has left sees no room", func(s *stage) []chat.Send { return []chat.Send{send(s.room, s.left, "a")} }, chat.NotFound.String()),
		one("who is muted may not send", func(s *stage) []chat.Send { return []chat.Send{send(s.room, s.muted, "a")} }, chat.Muted.String()),
		one("what was refused takes no seq", func(s *stage) []chat.Send {
			return []chat.Send{refused(send(s.room, s.owner, "a")), send(s.room, s.owner, "b")}
		}, chat.TooLarge.String(), "5"),
		one("client_seq begins at 1 and leaves nothing out", func(s *stage) []chat.Send {
			a, b := send(s.room, s.owner, "a"), send(s.room, s.owner, "b")
			return []chat.Send{numbered(a, "x", 2), numbered(a, "x", 1), numbered(b, "x", 3), numbered(b, "x", 2)}
		}, chat.OutOfOrder.String()+", expected 1", "5", chat.OutOfOrder.String()+", expected 2", "6"),
		one("each session has numbers of its own", func(s *stage) []chat.Send {
			return []chat.Send{numbered(send(s.room, s.owner, "a"), "x", 1), numbered(send(s.room, s.owner, "b"), "y", 1)}
		}, "5", "6"),
		one("duplicates, refusals and mutes spend their numbers", func(s *stage) []chat.Send {
			return []chat.Send{
				numbered(send(s.room, s.owner, "a"), "x", 1), numbered(send(s.room, s.owner, "a"), "y", 1), numbered(send(s.room, s.owner, "b"), "y", 2),
				numbered(refused(send(s.room, s.owner, "c")), "x", 2), numbered(send(s.room, s.owner, "d"), "x", 3),
				numbered(send(s.room, s.muted, "e"), "m", 1), numbered(send(s.room, s.muted, "f"), "m", 3),
			}
		}, "5", "5 dup", "6", chat.TooLarge.String(), "7", chat.Muted.String(), chat.OutOfOrder.String()+", expected 2"),
		{"append/the first answer holds for ever", firstAnswerHolds},
		{"append/numbers outlive a batch, not a stranger", numbersOutlive},
		{"append/a message is kept as it was sent", keptAsSent},
		{"append/own messages are read", ownIsRead},
		{"append/heads of several rooms", headsOfRooms},
		{"append/created_at never falls along seq", timeNeverFalls},
		{"append/a session that has ended sends nothing more", endedSendsNothing},
		{"append/an empty batch", func(t *trial) {
			sent, heads, err := t.Messages.Append(t.ctx, nil, time.Now())
			if len(sent) != 0 || len(heads) != 0 || err != nil {
				t.Error(sent, heads, err)
			}
		}},
		{"post/announces once", postAnnounces},
	}
}

// firstAnswerHolds: a duplicate is answered before every other rule.
func firstAnswerHolds(t *trial) {
	s := t.stage()
	s.append([]string{"5"}, send(s.room, s.owner, "a"))
	t.ok(t.Rooms.Dissolve(t.ctx, s.room, s.owner))
	sent, _, err := t.Messages.Append(t.ctx, []chat.Send{send(s.room, s.owner, "a"), send(s.room, s.left, "before"), send(s.room, s.owner, "b"), refused(send(s.room, s.owner, "a"))}, time.Now())
	t.ok(err)
	t.same("answers in a dissolved room", answers(sent), []string{"5 dup", "2 dup", chat.NotFound.String(), "5 dup"})
	if again, err := t.Messages.Post(t.ctx, send(s.room, s.owner, "a"), time.Now()); err != nil || !again.Duplicate {
		t.Error(again, err)
	}
	sent, heads, err := t.Messages.Append(t.ctx, []chat.Send{send(1<<40, s.owner, "a")}, time.Now())
	if err != nil || sent[0].Err == nil || sent[0].Err.Kind != chat.NotFound || len(heads) != 0 {
		t.Error("a room that isn't there:", sent, heads, err)
	}
}

func numbersOutlive(t *trial) {
	s := t.stage()
	s.append([]string{"5"}, numbered(send(s.room, s.owner, "a"), "x", 1))
	s.append([]string{chat.OutOfOrder.String() + ", expected 2"}, numbered(send(s.room, s.owner, "c"), "x", 3))
	s.append([]string{"6"}, numbered(send(s.room, s.owner, "b"), "x", 2))
	s.append([]string{chat.NotFound.String()}, numbered(send(s.room, s.stranger, "a"), "z", 1))
	_, err := t.Members.AddMembers(t.ctx, s.room, s.owner, []chat.UserID{s.stranger}) // 7
	t.ok(err)
	s.append([]string{"8"}, numbered(send(s.room, s.stranger, "b"), "z", 1))
}

func keptAsSent(t *trial) {
	s := t.stage()
	now := time.Now().UTC().Add(time.Hour).Truncate(time.Second).Add(891_234_567)
	in := send(s.room, s.owner, "Case-Matters_1.:")
	in.Content = " text,\n'quoted' \\ ünï 𝄞 % \" "
	sent, _, err := t.Messages.Append(t.ctx, []chat.Send{in}, now)
	t.ok(err)
	want := chat.Message{
		Room: s.room, Seq: 5, Ord: 2, Kind: chat.Text, Sender: s.owner, ClientMsgID: in.ClientMsgID, Content: in.Content,
		CreatedAt: now.Truncate(time.Millisecond),
	}
	t.same("answer", sent[0].Message, want)
	ms, err := t.Messages.Messages(t.ctx, s.room, 5, 5, 1)
	t.ok(err)
	t.same("log", ms, []chat.Message{want})
	again, _, err := t.Messages.Append(t.ctx, []chat.Send{in}, now.Add(time.Hour))
	t.ok(err)
	t.same("duplicate", again[0].Message, want)
}

func ownIsRead(t *trial) {
	u := t.users(2)
	room := t.room(chat.Private, u...)
	t.say(room, u[0], "a", "b")
	t.say(room, u[1], "c")
	if m := t.member(room, u[1]); m.Member.ReadSeq != 4 || m.Member.ReadCount != 3 || m.Unread() != 0 {
		t.Errorf("the last sender: %+v", m)
	}
	if m := t.member(room, u[0]); m.Member.ReadSeq != 3 || m.Unread() != 1 {
		t.Errorf("the sender before: %+v", m)
	}
}

func headsOfRooms(t *trial) {
	u := t.user()
	a, b := t.room(chat.Private, u), t.room(chat.Private, u)
	t.say(b, u, "x")
	sent, heads, err := t.Messages.Append(t.ctx, []chat.Send{send(b, u, "x"), send(a, u, "x"), send(a, u, "y")}, time.Now())
	t.ok(err)
	t.same("answers", answers(sent), []string{"2 dup", "2", "3"})
	t.same("heads", heads, []chat.Head{{Room: a, Seq: 3, Before: 1, Epoch: 1, MsgCount: 2}, {Room: b, Seq: 2, Before: 2, Epoch: 1, MsgCount: 1}})
}

func postAnnounces(t *trial) {
	s := t.stage()
	t.announced(s.room)
	first, err := t.Messages.Post(t.ctx, send(s.room, s.owner, "a"), time.Now())
	t.ok(err)
	again, err := t.Messages.Post(t.ctx, send(s.room, s.owner, "a"), time.Now())
	t.ok(err)
	no, err := t.Messages.Post(t.ctx, send(s.room, s.muted, "a"), time.Now())
	t.ok(err)
	t.same("answers", answers([]chat.Sent{first, again, no}), []string{"5", "5 dup", chat.Muted.String()})
	ans := t.announced(s.room)
	if len(ans) != 1 || ans[0].Message == nil || ans[0].Room == nil {
		t.Fatalf("announced: %+v", ans)
	}
	t.same("announced message", *ans[0].Message, first.Message)
	if ans[0].Room.LastSeq != 5 || ans[0].Room.MsgCount != 2 || ans[0].Change != chat.NoChange {
		t.Errorf("announced room: %+v", ans[0].Room)
	}
}

// timeNeverFalls: whatever the writers' clocks say, and whichever way the entries came.
func timeNeverFalls(t *trial) {
	s := t.stage()
	ahead := time.Now().UTC().Add(time.Minute).Truncate(time.Millisecond)
	one := func(id string, at time.Time) chat.Message {
		sent, _, err := t.Messages.Append(t.ctx, []chat.Send{send(s.room, s.owner, id)}, at)
		t.ok(err)
		return sent[0].Message
	}
	one("a", ahead)
	t.same("behind", one("b", ahead.Add(-time.Second)).CreatedAt, ahead)
	posted, err := t.Messages.Post(t.ctx, send(s.room, s.owner, "c"), ahead.Add(-time.Hour))
	t.ok(err)
	t.same("by REST", posted.Message.CreatedAt, ahead)
	_, err = t.Members.SetRole(t.ctx, s.room, s.owner, s.muted, chat.Admin) // by the store's clock
	t.ok(err)
	t.same("ahead again", one("d", ahead.Add(time.Second)).CreatedAt, ahead.Add(time.Second))
	all, err := t.Messages.Messages(t.ctx, s.room, 1, 100, 100)
	t.ok(err)
	for i := 1; i < len(all); i++ {
		if all[i].CreatedAt.Before(all[i-1].CreatedAt) {
			t.Errorf("seq %d is of %v, seq %d of %v", all[i-1].Seq, all[i-1].CreatedAt, all[i].Seq, all[i].CreatedAt)
		}
	}
	t.same("entries", len(all), 9)
}

// endedSendsNothing: neither by socket nor by REST, from the moment on at which ending the session was answered.
func endedSendsNothing(t *trial) {
	s := t.stage()
	ends, stays := t.open(s.owner, "ends"), t.open(s.owner, "stays")
	of := func(id string, session chat.SessionID) chat.Send {
		x := send(s.room, s.owner, id)
		x.Session = session
		return x
	}
	s.append([]string{"5", "6"}, of("a", ends), of("b", stays))
	t.ok(t.Sessions.RevokeSession(t.ctx, s.owner, ends))
	ended := chat.Unauthenticated.String()
	s.append([]string{ended, "7", "5 dup"}, of("c", ends), of("d", stays), of("a", ends))
	posted, err := t.Messages.Post(t.ctx, of("e", ends), time.Now())
	t.ok(err)
	t.same("by REST", answers([]chat.Sent{posted}), []string{ended})
	t.ok(t.Accounts.DisableUser(t.ctx, s.owner))
	s.append([]string{ended}, of("f", stays))
}
