//go:build integration

package store_test

import (
	"database/sql"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/store/operator"
	"chat-service/internal/store/storetest"
)

func TestHistoryStretches(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 2)
		room := makeRoom(t, d, u[0]).Room.ID
		for i := range 4 {
			appendOne(t, d, send(room, u[0], fmt.Sprint(i), "x")) // 2 … 5
		}
		_, err := d.Rooms.AddMembers(ctx, room, u[0], u[1:]) // 6
		ok(t, err)
		for i := range 5 {
			appendOne(t, d, send(room, u[0], fmt.Sprint("b", i), "x")) // 7 … 11
		}
		seq := func(s chat.Seq) *chat.Seq { return &s }
		none := []chat.Seq{}
		cases := []struct {
			name string
			q    chat.HistoryQuery
			want []chat.Seq
			more bool
		}{
			{"all", chat.HistoryQuery{}, []chat.Seq{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, false},
			{"page 1", chat.HistoryQuery{Page: 1, PageSize: 4}, []chat.Seq{8, 9, 10, 11}, true},
			{"page 3", chat.HistoryQuery{Page: 3, PageSize: 4}, []chat.Seq{1, 2, 3}, false},
			{"page 4", chat.HistoryQuery{Page: 4, PageSize: 4}, none, false},
			{"page far", chat.HistoryQuery{Page: 1 << 62, PageSize: 1 << 62}, none, false},
			{"before", chat.HistoryQuery{Before: seq(4), Limit: 2}, []chat.Seq{2, 3}, true},
			{"before the first", chat.HistoryQuery{Before: seq(1)}, none, false},
			{"before 0", chat.HistoryQuery{Before: seq(0)}, none, false},
			{"before the future", chat.HistoryQuery{Before: seq(99), Limit: 1}, []chat.Seq{11}, true},
			{"after", chat.HistoryQuery{After: seq(9), Limit: 1}, []chat.Seq{10}, true},
			{"after 0", chat.HistoryQuery{After: seq(0), Limit: 2}, []chat.Seq{1, 2}, true},
			{"after to the end", chat.HistoryQuery{After: seq(9), Limit: 2}, []chat.Seq{10, 11}, false},
			{"after the end", chat.HistoryQuery{After: seq(1 << 63)}, none, false},
			{"around", chat.HistoryQuery{Around: seq(5), Limit: 3}, []chat.Seq{4, 5, 6}, true},
			{"around even", chat.HistoryQuery{Around: seq(5), Limit: 2}, []chat.Seq{5, 6}, true},
			{"around the first", chat.HistoryQuery{Around: seq(1), Limit: 3}, []chat.Seq{1, 2, 3}, false},
			{"around the end", chat.HistoryQuery{Around: seq(99), Limit: 2}, []chat.Seq{10, 11}, true},
			{"late: all", chat.HistoryQuery{User: u[1]}, []chat.Seq{6, 7, 8, 9, 10, 11}, false},
			{"late: page 2", chat.HistoryQuery{User: u[1], Page: 2, PageSize: 4}, []chat.Seq{6, 7}, false},
			{"late: before", chat.HistoryQuery{User: u[1], Before: seq(6)}, none, false},
			{"late: after", chat.HistoryQuery{User: u[1], After: seq(0), Limit: 1}, []chat.Seq{6}, true},
			{"late: around", chat.HistoryQuery{User: u[1], Around: seq(2), Limit: 2}, []chat.Seq{6, 7}, false},
		}
		for _, c := range cases {
			c.q.Room = room
			if c.q.User == 0 {
				c.q.User = u[0]
			}
			page, err := d.Messages.History(ctx, c.q)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if got := seqsOf(page.Messages); !slices.Equal(got, c.want) || page.HasMore != c.more || page.LastSeq != 11 || page.Epoch != 1 {
				t.Errorf("%s: got %v more=%v last=%d, want %v more=%v", c.name, got, page.HasMore, page.LastSeq, c.want, c.more)
			}
		}
		_, err = d.Messages.History(ctx, chat.HistoryQuery{Room: room, User: makeUser(t, d)})
		wantKind(t, err, chat.NotFound)
		_, err = d.Messages.History(ctx, chat.HistoryQuery{Room: room, User: u[0], Page: -1})
		wantKind(t, err, chat.Invalid)
	})
}

// TestHistoryOfOneMoment reads pages and lists of rooms while their first change is made: an edited text comes with its state, and
// another one without, and no page is short.
func TestHistoryOfOneMoment(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUser(t, d)
		for i := range 40 {
			room := makeRoom(t, d, u).Room.ID
			appendOne(t, d, send(room, u, fmt.Sprint("m", i), "before")) // 2
			edited := make(chan error, 1)
			go func() {
				text := "after"
				done, _, err := d.Changes.Apply(ctx, []chat.Change{{Room: room, Seq: 2, User: u, Session: "s", ID: "c", Kind: chat.ChangeEdit, Content: &text}},
					time.Now())
				if err == nil && done[0].Err != nil {
					err = done[0].Err
				}
				edited <- err
			}()
			whole := func(m *chat.Message) (after bool) {
				after = m.Content == "after"
				if after != (m.State != nil) || after && m.State.Version != 2 {
					t.Fatalf("%q has state %+v", m.Content, m.State)
				}
				return after
			}
			for after := false; !after; {
				p, err := d.Messages.History(ctx, chat.HistoryQuery{Room: room, User: u})
				ok(t, err)
				if len(p.Messages) != 2 {
					t.Fatalf("%d messages", len(p.Messages))
				}
				ms, _, err := d.Rooms.RoomList(ctx, u, "", 1)
				ok(t, err)
				after = whole(&p.Messages[1])
				if seen := whole(ms[0].Last); after && !seen {
					t.Fatal("a list is older than the page before it")
				}
			}
			ok(t, <-edited)
		}
	})
}

// TestReplicaFence lets a database on the other server play a replica that lags: it is copied by hand.
func TestReplicaFence(t *testing.T) {
	var reads []bool
	o := storetest.Fresh(t, storetest.MariaDB)
	copyOf := storetest.Admin(t, storetest.MySQL)
	admin, err := sql.Open("mysql", copyOf.FormatDSN())
	ok(t, err)
	defer admin.Close()
	exec := func(q string, args ...any) {
		t.Helper()
		_, err := admin.ExecContext(ctx, q, args...)
		ok(t, err)
	}
	exec("CREATE DATABASE " + o.DBName)
	defer exec("DROP DATABASE " + o.DBName)
	r := o
	host, port, err := net.SplitHostPort(copyOf.Addr)
	ok(t, err)
	r.Host, r.User, r.Password = host, copyOf.User, copyOf.Passwd
	r.Port, err = strconv.Atoi(port)
	ok(t, err)
	lagging, err := store.Open(r)
	ok(t, err)
	defer lagging.Close()
	ok(t, lagging.Operator.Migrate(ctx))

	now := time.Now()
	o.Replicas = []string{copyOf.Addr}
	o.Now = func() time.Time { return now }
	o.Hooks.HistoryRead = func(replica bool) { reads = append(reads, replica) }
	d, err := store.Open(o)
	ok(t, err)
	defer d.Close()
	ok(t, d.Operator.Migrate(ctx))
	u := makeUsers(t, d, 1)
	room := makeRoom(t, d, u...).Room.ID
	for i := range 5 {
		appendOne(t, d, send(room, u[0], fmt.Sprint(i), fmt.Sprint("text ", i))) // 2 … 6
	}
	// The copy has come to seq 4; its text shows which of them answered.
	exec("INSERT INTO "+o.DBName+".rooms (id, type, visibility, epoch, last_seq, active_at, created_at) VALUES (?, 'group', 'private', 1, 4, NOW(6), NOW(6))", room)
	for s := 1; s <= 4; s++ {
		exec("INSERT INTO "+o.DBName+".messages (room_id, seq, ord, kind, sender_id, body_hash, content, created_at) VALUES (?,?,?,'text',1,'','from the copy',NOW(6))", room, s, s)
	}
	check := func(name string, q chat.HistoryQuery, want bool) {
		t.Helper()
		q.Room, q.User = room, u[0]
		page, err := d.Messages.History(ctx, q)
		ok(t, err)
		if page.Replica != want || reads[len(reads)-1] != want || (page.Messages[0].Content == "from the copy") != want {
			t.Errorf("%s: replica answered = %v, want %v (%+v)", name, page.Replica, want, page.Messages)
		}
	}
	seq := func(s chat.Seq) *chat.Seq { return &s }
	check("far enough", chat.HistoryQuery{Before: seq(5), Limit: 3}, true)
	check("behind the page", chat.HistoryQuery{}, false)
	check("behind by one", chat.HistoryQuery{Before: seq(6), Limit: 1}, false)
	check("reached min_seq", chat.HistoryQuery{Before: seq(3), Limit: 1, MinSeq: 4}, true)
	check("behind min_seq", chat.HistoryQuery{Before: seq(3), Limit: 1, MinSeq: 5}, false)
	ok(t, d.Operator.BumpEpoch(ctx, room))
	check("another epoch", chat.HistoryQuery{Before: seq(3), Limit: 1}, false)
	exec("UPDATE " + o.DBName + ".rooms SET epoch = 2")
	check("the same epoch", chat.HistoryQuery{Before: seq(3), Limit: 1}, true)
	done, _, err := d.Changes.Apply(ctx, []chat.Change{{Room: room, Seq: 2, User: u[0], ID: "c", Kind: chat.ChangeRecall}}, now)
	ok(t, err)
	if done[0].ChangeSeq != 1 {
		t.Fatalf("%+v", done[0])
	}
	check("behind a recall", chat.HistoryQuery{Before: seq(3), Limit: 1}, false)
	check("behind a recall of another message", chat.HistoryQuery{Before: seq(4), Limit: 1}, false)
	exec("UPDATE " + o.DBName + ".rooms SET change_seq = 1")
	check("with the recall", chat.HistoryQuery{Before: seq(3), Limit: 1}, true)
	check("reached min_change_seq", chat.HistoryQuery{Before: seq(3), Limit: 1, MinChanges: 1}, true)
	check("behind min_change_seq", chat.HistoryQuery{Before: seq(3), Limit: 1, MinChanges: 2}, false)
	exec("RENAME TABLE " + o.DBName + ".messages TO " + o.DBName + ".hidden")
	check("broken", chat.HistoryQuery{Before: seq(3), Limit: 1}, false)
	exec("RENAME TABLE " + o.DBName + ".hidden TO " + o.DBName + ".messages")
	check("left alone", chat.HistoryQuery{Before: seq(3), Limit: 1}, false)
	now = now.Add(time.Second)
	check("asked again", chat.HistoryQuery{Before: seq(3), Limit: 1}, true)
	reg := prometheus.NewRegistry()
	db.NewReplicaMetrics(reg).Of(reg, d.DB)
	families, err := reg.Gather()
	ok(t, err)
	turns := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "chat_mysql_replica_reads_total" {
				turns[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	if want := map[string]float64{"answered": 6, "behind": 7, "failed": 1, "resting": 1}; !maps.Equal(turns, want) {
		t.Errorf("counted %v, want %v", turns, want)
	}
}

func TestDeadReplica(t *testing.T) {
	d := storetest.OpenOn(t, storetest.MariaDB, func(o *db.Options) { o.Replicas = []string{"127.0.0.1:1"} })
	u := makeUsers(t, d, 1)
	room := makeRoom(t, d, u...).Room.ID
	for range 3 {
		page, err := d.Messages.History(ctx, chat.HistoryQuery{Room: room, User: u[0]})
		if err != nil || page.Replica || len(page.Messages) != 1 {
			t.Fatal(page, err)
		}
	}
}

// TestUnreadModel compares the store with a model that counts by hand.
func TestUnreadModel(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		users := makeUsers(t, d, 3)
		rapid.Check(t, func(rt *rapid.T) {
			room := makeRoom(t, d, users...).Room.ID
			log := []chat.UserID{0} // sender by seq-1; 0: a system message
			read := map[chat.UserID]int{users[0]: 1, users[1]: 1, users[2]: 1}
			unread := func(u chat.UserID) (n uint64) {
				for _, s := range log[read[u]:] {
					if s != 0 {
						n++
					}
				}
				return n
			}
			for step := range rapid.IntRange(1, 25).Draw(rt, "steps") {
				u := rapid.SampledFrom(users).Draw(rt, "user")
				switch rapid.SampledFrom([]string{"send", "send", "read", "rename", "return"}).Draw(rt, "what") {
				case "send":
					n := rapid.IntRange(1, 3).Draw(rt, "n")
					batch := make([]chat.Send, n)
					for i := range batch {
						batch[i] = send(room, u, fmt.Sprint(step, "-", i), "x")
						log = append(log, u)
					}
					if sent, _, err := d.Messages.Append(ctx, batch, time.Now()); err != nil || int(sent[n-1].Message.Seq) != len(log) {
						rt.Fatal(sent, err)
					}
					read[u] = len(log)
				case "read":
					seq := rapid.IntRange(0, len(log)+3).Draw(rt, "seq")
					read[u] = max(read[u], min(seq, len(log)))
					s, err := d.Messages.MarkRead(ctx, []chat.ReadMark{{Room: room, User: u, Seq: chat.Seq(seq)}})
					if err != nil || int(s[0].ReadSeq) != read[u] || s[0].Unread != unread(u) {
						rt.Fatalf("%+v %v, want %d unread %d", s, err, read[u], unread(u))
					}
				case "rename":
					name := fmt.Sprint("room ", step)
					if _, err := d.Rooms.UpdateRoom(ctx, room, users[0], chat.RoomPatch{Name: &name}); err != nil {
						rt.Fatal(err)
					}
					log = append(log, 0)
				case "return":
					if u == users[0] {
						continue
					}
					if err := d.Rooms.RemoveMember(ctx, room, u, u); err != nil {
						rt.Fatal(err)
					}
					if _, err := d.Rooms.AddMembers(ctx, room, users[0], []chat.UserID{u}); err != nil {
						rt.Fatal(err)
					}
					log = append(log, 0, 0)
					read[u] = len(log)
				}
			}
			for _, u := range users {
				m, err := d.Messages.Membership(ctx, room, u)
				if err != nil || m.Unread() != unread(u) || int(m.Room.LastSeq) != len(log) {
					rt.Fatalf("user %d: unread %d, want %d; room at %d, want %d; %v", u, m.Unread(), unread(u), m.Room.LastSeq, len(log), err)
				}
			}
		})
		ok(t, d.Operator.VerifyUnread(ctx, false, func(w operator.Drift) {
			t.Errorf("drift %+v", w)
		}))
	})
}

// recall recalls messages of the user.
func recall(t testing.TB, d *store.Store, room chat.RoomID, user chat.UserID, seqs ...chat.Seq) {
	t.Helper()
	for _, seq := range seqs {
		c := chat.Change{Room: room, Seq: seq, User: user, ID: "recall-" + seq.String(), Kind: chat.ChangeRecall}
		done, _, err := d.Changes.Apply(ctx, []chat.Change{c}, time.Now())
		ok(t, err)
		if done[0].Err != nil {
			t.Fatal(done[0].Err)
		}
	}
}

func TestVerifyUnreadRepairs(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			var o db.Options
			d := storetest.OpenOn(t, env, func(p *db.Options) { o = *p })
			u := makeUsers(t, d, 2)
			room := makeRoom(t, d, u...).Room.ID
			other := makeRoom(t, d, u[0]).Room.ID
			for i := range 5 {
				appendOne(t, d, send(room, u[0], fmt.Sprint(i), "x"))
			}
			recall(t, d, room, u[0], 4, 5)
			_, err := d.Operator.VerifyRoom(ctx, 999, true)
			wantKind(t, err, chat.NotFound)
			c := storetest.Admin(t, env)
			c.DBName = o.DBName
			raw, err := sql.Open("mysql", c.FormatDSN())
			ok(t, err)
			defer raw.Close()
			for _, q := range []string{
				"UPDATE recalls SET ord = 77 WHERE seq = 4", "DELETE FROM recalls WHERE seq = 5",
				"UPDATE rooms SET msg_count = 50", "UPDATE members SET read_count = 3 WHERE user_id = " + u[1].String(), "UPDATE messages SET ord = 9 WHERE seq = 6",
			} {
				_, err := raw.ExecContext(ctx, q)
				ok(t, err)
			}
			verify := func(repair bool) (found []operator.Drift) {
				ok(t, d.Operator.VerifyUnread(ctx, repair, func(w operator.Drift) { found = append(found, w) }))
				return found
			}
			want := []operator.Drift{{Room: room, Have: 50, Want: 5}, {Room: room, Have: 1, Want: 2, Recalled: true}, {Room: room, User: u[1], Have: 3, Want: 0}}
			one, err := d.Operator.VerifyRoom(ctx, room, true)
			ok(t, err)
			all := verify(false)
			if diff := cmp.Diff([][]operator.Drift{want, {{Room: other, Have: 50, Want: 0}}}, [][]operator.Drift{one, all}); diff != "" {
				t.Fatalf("one room, then all after its repair:\n%s", diff)
			}
			verify(true)
			if fs := verify(false); fs != nil {
				t.Fatalf("not repaired: %+v", fs)
			}
			if m := appendOne(t, d, send(room, u[0], "next", "x")); m.Ord != 6 {
				t.Fatalf("ord %d", m.Ord)
			}
			if m, err := d.Messages.Membership(ctx, room, u[1]); err != nil || m.Unread() != 4 {
				t.Fatalf("unread %d, %v", m.Unread(), err)
			}
			_, err = raw.ExecContext(ctx, "UPDATE rooms SET max_recalled_ord = 0")
			ok(t, err)
			if diff := cmp.Diff([]operator.Drift{{Room: room, Want: 2, Recalled: true}}, verify(true)); diff != "" {
				t.Fatalf("a room that doesn't know of its recalls:\n%s", diff)
			}
			if fs := verify(false); fs != nil {
				t.Fatalf("not repaired: %+v", fs)
			}
		})
	}
}
