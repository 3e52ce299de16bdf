//go:build integration

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/ops/importer"
	"chat-service/internal/store"
	"chat-service/internal/test/testkit"
)

// onBothServers runs a test against an installation on either server.
func onBothServers(t *testing.T, test func(t *testing.T, p *place, db *store.Store)) {
	for name, dsn := range map[string]string{"mariadb": testkit.MySQLDSN(t), "mysql": testkit.MySQL8DSN(t)} {
		t.Run(name, func(t *testing.T) {
			p := settleOn(t, dsn)
			test(t, p, p.populate(t))
		})
	}
}

// fileOf writes lines into a file.
func fileOf(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.jsonl")
	testkit.WriteFile(t, path, strings.Join(lines, "\n")+"\n")
	return path
}

// refusals reads a report: reasons by line.
func refusals(t *testing.T, path string) (whys map[int64]string, did importer.Counts) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whys = map[int64]string{}
	for line := range strings.Lines(string(b)) {
		var r struct {
			importer.Refusal
			Summary *importer.Counts `json:"summary"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Summary != nil {
			did = *r.Summary
		} else {
			whys[r.Line] += r.Why
		}
	}
	return whys, did
}

func userOf(i int) string {
	return fmt.Sprintf(`{"type":"user","id":"u%d","nickname":"User %d"}`, i, i)
}

// said is a message's line, at a second of a day in 2020.
func said(room, id, sender string, second int, content string) string {
	at := time.Date(2020, 2, 3, 0, 0, second, 0, time.UTC).Format(time.RFC3339)
	return fmt.Sprintf(`{"type":"message","room":%q,"id":%q,"sender":%q,"at":%q,"content":%q}`, room, id, sender, at, content)
}

// logOf is a room's log: who said what, in the order of the seqs, without system messages.
func logOf(t *testing.T, db *store.Store, ext string) (log []chat.Message, room chat.Room) {
	t.Helper()
	ids, err := db.Rooms.Externals(t.Context(), []string{ext})
	if err != nil || ids[ext] == 0 {
		t.Fatalf("room %s: %v, %v", ext, ids, err)
	}
	rs, err := db.Messages.Rooms(t.Context(), []chat.RoomID{ids[ext]})
	if err != nil {
		t.Fatal(err)
	}
	for after := chat.Seq(0); after < rs[0].LastSeq; {
		ms, err := db.Messages.Messages(t.Context(), ids[ext], after+1, rs[0].LastSeq, 500)
		if err != nil || len(ms) == 0 {
			t.Fatalf("room %s from %d: %d, %v", ext, after, len(ms), err)
		}
		for _, m := range ms {
			if after++; m.Seq != after {
				t.Fatalf("room %s has no seq %d", ext, after)
			}
			if m.Kind != chat.System {
				log = append(log, m)
			}
		}
	}
	if uint64(len(log)) != rs[0].MsgCount {
		t.Errorf("room %s counts %d messages and has %d", ext, rs[0].MsgCount, len(log))
	}
	return log, rs[0]
}

func texts(log []chat.Message) (ts []string) {
	for _, m := range log {
		ts = append(ts, m.Content)
	}
	return ts
}

func countsAreRight(t *testing.T) {
	t.Helper()
	if out := must(t, "unread", "verify"); !strings.Contains(out, "all counts are correct") {
		t.Error(out)
	}
}

func TestImportStandsAsTheFileSays(t *testing.T) {
	onBothServers(t, func(t *testing.T, p *place, db *store.Store) {
		file := fileOf(t,
			`{"type":"user","id":"u1","nickname":"Ann","username":"Ann","email":"Ann@Example.com","created_at":"2019-01-02T03:04:05Z"}`,
			userOf(2), userOf(3), userOf(4),
			`{"type":"room","id":"r1","name":"Gardeners","kind":"group","visibility":"public","owner":"u1","created_at":"2019-05-06T00:00:00Z","members":["u2",{"user":"u3","role":"admin"}]}`,
			`{"type":"room","id":"d1","kind":"direct","members":["u1","u2"]}`,
			said("r1", "m1", "u1", 1, "first"), said("r1", "m2", "u4", 2, "by nobody of the room"),
			`{"type":"message","room":"r1","id":"m3","sender":"u3","at":"2020-02-03T00:00:03.25Z","content":"an answer","data":{"b":1,"a":[2]},"reply_to":"m1"}`,
			said("d1", "m1", "u2", 4, "between us"), said("r1", "", "u2", 5, "no id"), said("r1", "", "u2", 5, "no id"), said("r1", "m4", "u2", 4, "earlier than the last"),
			`{"type":"member","room":"r1","user":"u4","joined_at":"2020-02-03T00:00:06Z"}`,
			said("r1", "m5", "u4", 7, "I am here"),
		)
		out, errs, err := chatctl(t, "import", file)
		if err != nil {
			t.Fatalf("%v\n%s%s", err, out, errs)
		}
		if !strings.Contains(errs, "1 messages have a later time") {
			t.Errorf("of the time that was moved: %s", errs)
		}
		check := func() {
			t.Helper()
			log, room := logOf(t, db, "r1")
			if want := []string{"first", "by nobody of the room", "an answer", "no id", "no id", "earlier than the last", "I am here"}; !slices.Equal(texts(log), want) {
				t.Fatalf("the room says %v, want %v", texts(log), want)
			}
			answer := log[2]
			if answer.ReplyTo != log[0].Seq || answer.Data != `{"a":[2],"b":1}` || chat.FormatTime(answer.CreatedAt) != "2020-02-03T00:00:03.250Z" {
				t.Errorf("the answer: %+v", answer)
			}
			if !log[5].CreatedAt.Equal(log[4].CreatedAt) || chat.FormatTime(room.CreatedAt) != "2019-05-06T00:00:00.000Z" || room.MemberCount != 4 || room.Visibility != chat.Public {
				t.Errorf("the room: %+v; a message after a later one: %v", room, log[5].CreatedAt)
			}
			us, err := db.Accounts.Externals(t.Context(), []string{"u1", "u2", "u3", "u4"})
			if err != nil || len(us) != 4 {
				t.Fatal(us, err)
			}
			for id, role := range map[string]chat.Role{"u1": chat.Owner, "u2": chat.Plain, "u3": chat.Admin, "u4": chat.Plain} {
				m, err := db.Messages.Membership(t.Context(), room.ID, us[id])
				if err != nil || m.Member.Role != role || m.Unread() != 0 || m.Member.ReadSeq != room.LastSeq || m.Member.VisibleFrom != 1 {
					t.Errorf("%s: %+v, %v", id, m.Member, err)
				}
			}
			ann, err := db.Accounts.UserByLogin(t.Context(), "ann@example.com")
			if err != nil || ann.ID != us["u1"] || ann.Username != "ann" || ann.PasswordHash != "" || ann.CreatedAt.Year() != 2019 {
				t.Errorf("%+v, %v", ann, err)
			}
			two, direct := logOf(t, db, "d1")
			if !slices.Equal(texts(two), []string{"between us"}) || direct.Type != chat.Direct || !direct.CreatedAt.Equal(two[0].CreatedAt) {
				t.Errorf("the direct room: %+v, %v", direct, texts(two))
			}
			if m, made, err := db.Rooms.DirectRoom(t.Context(), us["u2"], us["u1"]); err != nil || made || m.Room.ID != direct.ID {
				t.Errorf("the direct room is %d, %v, %v; want %d", m.Room.ID, made, err, direct.ID)
			}
			found, _, err := db.Rooms.PublicRooms(t.Context(), "garden", "", 10)
			if err != nil || len(found) != 1 || found[0].ID != room.ID {
				t.Errorf("found %v, %v", found, err)
			}
			countsAreRight(t)
		}
		check()
		before := p.dump(t)
		report := filepath.Join(t.TempDir(), "report")
		if out := must(t, "import", file, "--report", report); strings.Contains(out, "REFUSED") == false {
			t.Error(out)
		}
		if whys, did := refusals(t, report); len(whys) != 0 || did.Users != (importer.Tally{Known: 4}) || did.Rooms != (importer.Tally{Known: 2}) ||
			did.Messages != (importer.Tally{Known: 8}) || did.Members.Made != 0 {
			t.Errorf("the second time: %v, %+v", whys, did)
		}
		if after := p.dump(t); after != before {
			t.Errorf("the second time changed something:\n%s\n%s", before, after)
		}
		check()
		if out := must(t, "audit", "--kind", "imported"); strings.Count(out, "imported") != 1 || !strings.Contains(out, "4 users, 2 rooms") {
			t.Error(out)
		}
	})
}

// dump is all that an import may write, in one text.
func (p *place) dump(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, q := range []string{
		"SELECT CONCAT_WS('|', id, username, nickname, email, created_at) FROM users ORDER BY id",
		"SELECT CONCAT_WS('|', HEX(subject), user_id) FROM identities ORDER BY subject",
		"SELECT CONCAT_WS('|', HEX(ext), room_id) FROM external_rooms ORDER BY ext",
		"SELECT CONCAT_WS('|', id, name, visibility, owner_id, member_count, last_seq, msg_count, active_at, active_min, created_at) FROM rooms ORDER BY id",
		"SELECT CONCAT_WS('|', room_id, user_id, role, visible_from, left_seq, read_seq, read_count, joined_at) FROM members ORDER BY room_id, user_id",
		"SELECT CONCAT_WS('|', room_id, seq, ord, kind, sender_id, content, data, reply_to, created_at, HEX(body_hash), client_msg_id) FROM messages ORDER BY room_id, seq",
		"SELECT COUNT(*) FROM outbox",
	} {
		rows, err := p.db.DB.QueryContext(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			all.WriteString(line + "\n")
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// TestImportRefusesWhatIsWrong: each line that can't be imported is named with its reason, and the others stand.
func TestImportRefusesWhatIsWrong(t *testing.T) {
	onBothServers(t, func(t *testing.T, p *place, db *store.Store) {
		if _, err := db.Accounts.CreateUser(t.Context(), chat.User{Username: "taken", Nickname: "T", Email: "taken@example.com", PasswordHash: "x"}); err != nil {
			t.Fatal(err)
		}
		lines := []struct{ line, why string }{
			{userOf(1), ""},
			{userOf(2), ""},
			{userOf(1), ""}, // again, the same
			{`{"type":"user","id":"u1","nickname":"Another"}`, "line 1 has the same id and other content"},
			{`{"type":"user","id":"u3","nickname":"N","username":"Taken"}`, "username is taken"},
			{`{"type":"user","id":"u4","nickname":"N","email":"taken@example.com"}`, "email address is in use"},
			{`{"type":"user","id":"u5","nickname":"N","username":"dora"}`, ""},
			{`{"type":"user","id":"u6","nickname":"N","username":"dora"}`, "username is taken"},
			{`{"type":"user","id":"u7","nickname":"N","username":"d0ra"}`, ""},
			{`{"type":"room","id":"r1","name":"R","kind":"group","owner":"u1","members":["u2","nobody"]}`, `no user with the id "nobody"`},
			{`{"type":"room","id":"r2","name":"R","kind":"group","owner":"nobody"}`, `owner: there is no user`},
			{`{"type":"room","id":"r1","name":"Another","kind":"group","owner":"u1"}`, "line 10 has the same id"},
			{`{"type":"member","room":"r1","user":"nobody"}`, "no user with the id"},
			{`{"type":"member","room":"r9","user":"u2"}`, "no room with the id"},
			{`{"type":"room","id":"d1","kind":"direct","members":["u1","u2"]}`, ""},
			{`{"type":"room","id":"d2","kind":"direct","members":["u2","u1"]}`, `have a direct room already, under the id "d1"`},
			{`{"type":"member","room":"d1","user":"u5"}`, "a direct room has two members"},
			{said("d1", "x", "u5", 1, "not mine"), "none of the two"},
			{said("r1", "m1", "u1", 1, "good"), ""},
			{said("r1", "m1", "u1", 1, "good"), ""},
			{said("r1", "m1", "u1", 1, "other"), "used for another message"},
			{said("r1", "m1", "u2", 1, "good"), "used for another message"},
			{said("r1", "m2", "nobody", 1, "x"), "sender: there is no user"},
			{said("r9", "m2", "u1", 1, "x"), "no room with the id"},
			{said("r2", "m2", "u1", 1, "x"), "no room with the id"},
			{`{"type":"message","room":"r1","sender":"u1","at":"1970-01-01T00:00:00Z","content":"x"}`, "before 1990"},
			{`{"type":"message","room":"r1","sender":"u1","at":"2999-01-01T00:00:00Z","content":"x"}`, "in the future"},
			{said("r1", "m3", "u1", 2, strings.Repeat("x", 1<<20)), "content has 1048576 bytes, the limit is 16384"},
			{`{"type":"message","room":"r1","sender":"u1","at":"2020-01-01T00:00:00Z","content":"a\u0000b"}`, "NUL"},
			{"{\"type\":\"message\",\"room\":\"r1\",\"sender\":\"u1\",\"at\":\"2020-01-01T00:00:00Z\",\"content\":\"a\x00b\"}", "is not JSON"},
			{`{"type":"message","room":"r1","id":"m4","sender":"u1","at":"2020-02-03T00:00:05Z","content":"x","reply_to":"m9"}`, `has the id "m9"`},
			{`{"type":"message","room":"r1","id":"m5","sender":"u1","at":"2020-02-03T00:00:05Z","content":"x","reply_to":"m4"}`, `has the id "m4"`},
			{`{"type":"message","room":"r1","id":"m6","sender":"u1","at":"2020-02-03T00:00:05Z","content":"x","reply_to":"m6"}`, `has the id "m6"`},
			{`{"type":"gossip"}`, "type"},
			{`hello`, "is not JSON"},
			{`{"type":"user","id":"late","nickname":"Late"}`, ""},
			{said("r1", "m7", "late", 6, "after my line"), ""},
			{said("r1", "m8", "later", 6, "before my line"), "no user"},
			{`{"type":"user","id":"later","nickname":"Later"}`, ""},
			{`{"type":"message","room":"r1","id":"m10","sender":"u1","at":"2020-02-03T00:00:07Z","content":"cut`, "the file ends within the line"},
		}
		var all []string
		for _, l := range lines {
			all = append(all, l.line)
		}
		path := filepath.Join(t.TempDir(), "in.jsonl")
		testkit.WriteFile(t, path, strings.Join(all, "\n"))
		report := filepath.Join(t.TempDir(), "report.jsonl")
		empty := p.dump(t)
		for _, run := range [][]string{{"--dry-run"}, nil, nil} {
			out := fails(t, append([]string{"import", path, "--report", report}, run...)...)
			whys, did := refusals(t, report)
			for i, l := range lines {
				why, refused := whys[int64(i+1)]
				dry := len(run) > 0 && (strings.Contains(l.why, "direct room") || strings.Contains(l.why, "none of the two"))
				again := run == nil && strings.Contains(l.why, "no user") && strings.Contains(l.line, "later") // known by then
				switch {
				case dry || again:
				case refused != (l.why != ""), !strings.Contains(why, l.why):
					t.Errorf("%v line %d %.60s: %q, want %q", run, i+1, l.line, why, l.why)
				}
			}
			if did.Lines != int64(len(lines)) || did.Unreadable != 4 {
				t.Errorf("%+v\n%s", did, out)
			}
			if len(run) > 0 && p.dump(t) != empty {
				t.Fatal("a dry run stored something")
			}
		}
		log, room := logOf(t, db, "r1")
		if want := []string{"good", "after my line", "before my line"}; !slices.Equal(texts(log), want) || room.MemberCount != 2 {
			t.Errorf("the room says %v, want %v; %d members", texts(log), want, room.MemberCount)
		}
		countsAreRight(t)
		before := p.dump(t)
		out, _, err := chatctl(t, "import", path, "--strict")
		var code exitError
		if !errors.As(err, &code) || code != 1 || p.dump(t) != before {
			t.Errorf("strict: %v, %s", err, out)
		}
	})
}

// TestImportStopsAtTheFirstRefusalIfStrict: what is before it stands, what is behind it isn't read.
func TestImportStopsAtTheFirstRefusalIfStrict(t *testing.T) {
	p := settle(t)
	db := p.populate(t)
	file := fileOf(t, userOf(1), `nonsense`, userOf(2))
	fails(t, "import", "--strict", file)
	if us, err := db.Accounts.Externals(t.Context(), []string{"u1", "u2"}); err != nil || len(us) != 1 || us["u1"] == 0 {
		t.Errorf("users %v, %v", us, err)
	}
}

// stopsAt ends an import's context when so many lines were read.
type stopsAt struct {
	in    io.Reader
	lines int
	stop  func()
}

func (s *stopsAt) Read(b []byte) (int, error) {
	n, err := s.in.Read(b[:min(len(b), 512)])
	if s.lines -= strings.Count(string(b[:n]), "\n"); s.lines <= 0 {
		s.stop()
	}
	return n, err
}

// TestImportGoesOn: an import that ends anywhere, also between two of its transactions, goes on with the next run, and all stands as if it
// had never ended.
func TestImportGoesOn(t *testing.T) {
	onBothServers(t, func(t *testing.T, p *place, db *store.Store) {
		const users, rooms, messages = 40, 6, 12_000
		var lines []string
		for i := range users {
			lines = append(lines, userOf(i))
		}
		for i := range rooms {
			lines = append(lines, fmt.Sprintf(`{"type":"room","id":"r%d","name":"Room %d","kind":"group","owner":"u%d"}`, i, i, i))
			for u := range users {
				lines = append(lines, fmt.Sprintf(`{"type":"member","room":"r%d","user":"u%d"}`, i, u))
			}
		}
		want := map[string][]string{}
		for i := range messages {
			room, text := fmt.Sprintf("r%d", i%rooms), fmt.Sprintf("message %d", i)
			id := ""
			if i%3 > 0 {
				id = fmt.Sprint(i)
			}
			lines = append(lines, said(room, id, fmt.Sprintf("u%d", i%users), i, text))
			want[room] = append(want[room], text)
		}
		all := strings.Join(lines, "\n") + "\n"
		run := func(stopAfter int) error {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			im := importer.New(importer.Options{
				Store: importTarget{db.Accounts, db.Rooms, db.Messages, chat.DefaultLimits()}, Limits: chat.DefaultLimits(), Now: time.Now(),
				Refused: func(r importer.Refusal) { t.Errorf("refused: %+v", r) },
			})
			_, err := im.Run(ctx, &stopsAt{strings.NewReader(all), stopAfter, stop})
			return err
		}
		interrupted := 0
		for range 6 {
			if err := run(1 + rand.IntN(len(lines)-1)); err != nil {
				interrupted++
			}
		}
		if err := run(len(lines) * 2); err != nil {
			t.Fatal(err)
		}
		if interrupted == 0 {
			t.Error("no run was interrupted")
		}
		for ext, texted := range want {
			log, room := logOf(t, db, ext)
			if !slices.Equal(texts(log), texted) || room.MemberCount != users {
				t.Errorf("%s: %d messages, %d members, or another order", ext, len(log), room.MemberCount)
			}
			var unread int
			if err := p.db.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM members WHERE room_id = ? AND read_count <> ?", room.ID, room.MsgCount).Scan(&unread); err != nil || unread > 0 {
				t.Errorf("%s: %d members have imported messages unread, %v", ext, unread, err)
			}
		}
		countsAreRight(t)
		before := p.dump(t)
		if err := run(len(lines) * 2); err != nil {
			t.Fatal(err)
		}
		if p.dump(t) != before {
			t.Error("once more changed something")
		}
	})
}

// TestImportIntoARoomInUse: imported messages come after what is there, with a time that doesn't fall; who had unread messages keeps them.
func TestImportIntoARoomInUse(t *testing.T) {
	onBothServers(t, func(t *testing.T, _ *place, db *store.Store) {
		first := fileOf(t, userOf(1), userOf(2), userOf(3), `{"type":"room","id":"r","name":"R","kind":"group","owner":"u1","members":["u2","u3"]}`, said("r", "m1", "u1", 1, "one"))
		must(t, "import", first)
		us, err := db.Accounts.Externals(t.Context(), []string{"u1", "u2", "u3"})
		if err != nil {
			t.Fatal(err)
		}
		_, room := logOf(t, db, "r")
		live, err := db.Messages.Post(t.Context(), chat.Send{Room: room.ID, Sender: us["u1"], ClientMsgID: "live", Content: "live"}, time.Now())
		if err != nil || live.Err != nil {
			t.Fatal(err, live.Err)
		}
		if _, err := db.Messages.MarkRead(t.Context(), []chat.ReadMark{{Room: room.ID, User: us["u2"], Seq: live.Message.Seq}}); err != nil {
			t.Fatal(err)
		}
		must(t, "import", fileOf(t, said("r", "m1", "u1", 1, "one"), said("r", "m2", "u1", 2, "two"), said("r", "m3", "u1", 3, "three")))
		answer := `{"type":"message","room":"r","sender":"u2","at":"2020-02-03T00:00:09Z","content":"answer","reply_to":"m2"}`
		must(t, "import", fileOf(t, answer)) // to a message of another file
		log, _ := logOf(t, db, "r")
		if want := []string{"one", "live", "two", "three", "answer"}; !slices.Equal(texts(log), want) ||
			log[2].CreatedAt.Before(log[1].CreatedAt) || log[4].ReplyTo != log[2].Seq {
			t.Errorf("the room says %v, want %v", texts(log), want)
		}
		for id, unread := range map[string]uint64{"u1": 0, "u2": 0, "u3": 4} {
			if m, err := db.Messages.Membership(t.Context(), room.ID, us[id]); err != nil || m.Unread() != unread {
				t.Errorf("%s has %d unread, want %d, %v", id, m.Unread(), unread, err)
			}
		}
		countsAreRight(t)
	})
}

// TestImportBesideOthers: an import, and members who write and read in the same rooms meanwhile, don't keep each other from anything.
func TestImportBesideOthers(t *testing.T) {
	onBothServers(t, func(t *testing.T, _ *place, db *store.Store) {
		const users, rooms, messages = 10, 3, 6000
		var start, lines []string
		for i := range users {
			start = append(start, userOf(i))
		}
		for i := range rooms {
			start = append(start, fmt.Sprintf(`{"type":"room","id":"r%d","name":"Room","kind":"group","owner":"u0","members":["u1","u2","u3","u4","u5","u6","u7","u8","u9"]}`, i))
		}
		must(t, "import", fileOf(t, start...))
		ids, err := db.Accounts.Externals(t.Context(), []string{"u0", "u1"})
		if err != nil {
			t.Fatal(err)
		}
		exts, err := db.Rooms.Externals(t.Context(), []string{"r0", "r1", "r2"})
		if err != nil || len(exts) != rooms {
			t.Fatal(exts, err)
		}
		want := map[string][]string{}
		for i := range messages {
			room, text := fmt.Sprintf("r%d", i%rooms), fmt.Sprintf("message %d", i)
			lines = append(lines, said(room, fmt.Sprint(i), fmt.Sprintf("u%d", i%users), i, text))
			want[room] = append(want[room], text)
		}
		file := fileOf(t, lines...)
		ended := make(chan struct{})
		live := make(chan map[string][]string)
		go func() {
			wrote := map[string][]string{}
			defer func() { live <- wrote }()
			for n := 0; ; n++ {
				select {
				case <-ended:
					return
				default:
				}
				ext, text := fmt.Sprintf("r%d", n%rooms), fmt.Sprintf("live %d", n)
				sent, _, err := db.Messages.Append(t.Context(), []chat.Send{{Room: exts[ext], Sender: ids["u0"], ClientMsgID: fmt.Sprint("live", n), Content: text}}, time.Now())
				if err != nil || sent[0].Err != nil {
					t.Errorf("append: %v, %v", err, sent)
					return
				}
				wrote[ext] = append(wrote[ext], text)
				if _, err := db.Messages.MarkRead(t.Context(), []chat.ReadMark{{Room: exts[ext], User: ids["u1"], Seq: chat.MaxID}}); err != nil {
					t.Errorf("mark read: %v", err)
					return
				}
			}
		}()
		must(t, "import", file)
		close(ended)
		wrote := <-live
		for ext := range exts {
			log, _ := logOf(t, db, ext)
			var imported, others []string
			var last time.Time
			for _, m := range log {
				if strings.HasPrefix(m.Content, "live") {
					others = append(others, m.Content)
				} else {
					imported = append(imported, m.Content)
				}
				if m.CreatedAt.Before(last) {
					t.Errorf("%s: the time falls at %d", ext, m.Seq)
				}
				last = m.CreatedAt
			}
			if !slices.Equal(imported, want[ext]) || !slices.Equal(others, wrote[ext]) || len(others) == 0 {
				t.Errorf("%s: %d of %d imported, %d of %d others, or another order", ext, len(imported), len(want[ext]), len(others), len(wrote[ext]))
			}
		}
		countsAreRight(t)
	})
}

// TestImportOfMattermost: a bulk export becomes users, rooms and messages; a thread's replies stand where their time puts them.
func TestImportOfMattermost(t *testing.T) {
	p := settle(t)
	db := p.populate(t)
	file := fileOf(t,
		`{"type":"version","version":1}`,
		`{"type":"team","team":{"name":"acme","display_name":"Acme"}}`,
		`{"type":"channel","channel":{"team":"acme","name":"square","display_name":"Square","type":"O"}}`,
		`{"type":"user","user":{"username":"ann","email":"ann@example.com","teams":[{"name":"acme","channels":[{"name":"square","roles":"channel_admin"}]}]}}`,
		`{"type":"user","user":{"username":"bob","email":"bob@example.com","teams":[{"name":"acme","channels":[{"name":"square"}]}]}}`,
		`{"type":"post","post":{"team":"acme","channel":"square","user":"ann","message":"root","create_at":1600000001000,"replies":[{"user":"bob","message":"reply","create_at":1600000003000}]}}`,
		`{"type":"post","post":{"team":"acme","channel":"square","user":"bob","message":"between","create_at":1600000002000}}`,
		`{"type":"post","post":{"team":"acme","channel":"square","user":"cyd","message":"of nobody","create_at":1600000002000}}`,
		`{"type":"direct_post","direct_post":{"channel_members":["ann","bob"],"user":"bob","message":"psst","create_at":1600000004000}}`,
	)
	report := filepath.Join(t.TempDir(), "report")
	for range 2 {
		fails(t, "import", "--format", "mattermost", file, "--report", report)
		whys, did := refusals(t, report)
		if len(whys) != 1 || !strings.Contains(whys[8], `no user with the id "cyd"`) || did.Messages.Made+did.Messages.Known != 4 {
			t.Errorf("refused %v; %+v", whys, did)
		}
		log, room := logOf(t, db, "acme/square")
		if !slices.Equal(texts(log), []string{"root", "between", "reply"}) || log[2].ReplyTo != log[0].Seq || room.Name != "Square" || room.Visibility != chat.Public {
			t.Errorf("%v, %+v", texts(log), room)
		}
	}
	countsAreRight(t)
}
