//go:build integration

package store_test

import (
	"crypto/sha256"
	"database/sql"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store"
)

func TestUsers(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		ann, err := d.Accounts.CreateUser(ctx, chat.User{Username: "ann", Nickname: "Änne", Email: "ann@example.com", PasswordHash: "h1"})
		ok(t, err)
		have, err := d.Accounts.User(ctx, ann.ID)
		ok(t, err)
		if diff := cmp.Diff(ann, have); diff != "" || ann.Status != chat.Active {
			t.Fatal(diff)
		}
		for _, login := range []string{"ann", "ann@example.com"} {
			if u, err := d.Accounts.UserByLogin(ctx, login); err != nil || u.ID != ann.ID {
				t.Fatal(u, err)
			}
		}
		for _, login := range []string{"", "bob", "bob@example.com"} {
			_, err = d.Accounts.UserByLogin(ctx, login)
			wantKind(t, err, chat.NotFound)
		}
		_, err = d.Accounts.CreateUser(ctx, chat.User{Username: "ann", PasswordHash: "h2"})
		wantKind(t, err, chat.UsernameTaken)
		_, err = d.Accounts.CreateUser(ctx, chat.User{Username: "ann2", Email: "ann@example.com", PasswordHash: "h2"})
		wantKind(t, err, chat.EmailTaken)
		bob, err := d.Accounts.CreateUser(ctx, chat.User{Username: "bob", Nickname: "än_%", PasswordHash: "h3"})
		ok(t, err)
		cat, err := d.Accounts.CreateUser(ctx, chat.User{Username: "cat", Nickname: "x", PasswordHash: "h3"}) // no email is no duplicate
		ok(t, err)
		for prefix, want := range map[string][]chat.UserID{"ÄN": {ann.ID, bob.ID}, "än_": {bob.ID}, "an": {ann.ID}, "%": nil} {
			us, err := d.Accounts.SearchUsers(ctx, chat.UserSearch{Prefix: prefix, Limit: 10})
			ok(t, err)
			var got []chat.UserID
			for _, u := range us {
				got = append(got, u.ID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q finds %v, want %v", prefix, got, want)
			}
		}
		if us, err := d.Accounts.SearchUsers(ctx, chat.UserSearch{Prefix: "än", After: ann.ID, Limit: 1}); err != nil || len(us) != 1 || us[0].ID != bob.ID {
			t.Fatal(us, err)
		}
		nick, mail, none := "Bobby 😀", "ann@example.com", ""
		_, err = d.Accounts.UpdateUser(ctx, bob.ID, chat.UserPatch{Email: &mail})
		wantKind(t, err, chat.EmailTaken)
		u, err := d.Accounts.UpdateUser(ctx, bob.ID, chat.UserPatch{Nickname: &nick, Email: &none})
		ok(t, err)
		if u.Nickname != nick || u.Email != "" {
			t.Fatalf("%+v", u)
		}
		_, err = d.Accounts.UpdateUser(ctx, 999999, chat.UserPatch{Nickname: &nick})
		wantKind(t, err, chat.NotFound)
		us, err := d.Accounts.Users(ctx, []chat.UserID{cat.ID, 0, ann.ID, 999999})
		ok(t, err)
		if len(us) != 2 || us[0].ID != ann.ID {
			t.Fatal(us)
		}
		wantKind(t, d.Accounts.DisableUser(ctx, 999999), chat.NotFound)
		wantKind(t, d.Accounts.SetPassword(ctx, 999999, "", "h", ""), chat.NotFound)

		room := makeRoom(t, d, ann.ID, bob.ID).Room.ID
		ids, err := d.Rooms.SharesRoom(ctx, ann.ID, []chat.UserID{bob.ID, cat.ID, ann.ID})
		ok(t, err)
		if !slices.Equal(ids, []chat.UserID{ann.ID, bob.ID}) {
			t.Fatal(ids)
		}
		ok(t, d.Rooms.RemoveMember(ctx, room, ann.ID, bob.ID))
		if ids, err = d.Rooms.SharesRoom(ctx, ann.ID, []chat.UserID{bob.ID, cat.ID}); err != nil || len(ids) != 0 {
			t.Fatal(ids, err)
		}

		now := time.Now().UTC().Truncate(time.Microsecond)
		ok(t, d.Accounts.SawUsers(ctx, map[chat.UserID]time.Time{ann.ID: now, bob.ID: now.Add(-time.Hour)}))
		ok(t, d.Accounts.SawUsers(ctx, map[chat.UserID]time.Time{ann.ID: now.Add(-time.Minute), bob.ID: now}))
		ok(t, d.Accounts.SawUsers(ctx, nil))
		seen, err := d.Accounts.LastSeen(ctx, []chat.UserID{ann.ID, bob.ID, cat.ID})
		ok(t, err)
		if diff := cmp.Diff(map[chat.UserID]time.Time{ann.ID: now, bob.ID: now}, seen); diff != "" {
			t.Fatal(diff)
		}
	})
}

// openSession opens a session that idles out after an hour.
func openSession(t *testing.T, d *store.Store, user chat.UserID, id chat.SessionID, token string) {
	t.Helper()
	now := time.Now()
	ok(t, d.Accounts.OpenSession(ctx, chat.NewSession{
		Session:     chat.Session{ID: id, User: user, Device: "phone", CreatedAt: now, ExpiresAt: now.Add(time.Hour)},
		RefreshHash: sha256.Sum256([]byte(token)), Until: now.Add(24 * time.Hour),
	}))
}

func TestSessions(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUsers(t, d, 2)
		for _, id := range []chat.SessionID{"a", "b", "c", "e"} {
			openSession(t, d, u[0], id, string(id))
		}
		s, user, err := d.Accounts.Session(ctx, "a", u[0])
		ok(t, err)
		if s.Device != "phone" || user.ID != u[0] || !s.RevokedAt.IsZero() {
			t.Fatal(s, user)
		}
		_, _, err = d.Accounts.Session(ctx, "a", u[1])
		wantKind(t, err, chat.Unauthenticated)
		_, _, err = d.Accounts.Session(ctx, "nope", u[0])
		wantKind(t, err, chat.Unauthenticated)
		wantKind(t, d.Accounts.RevokeSession(ctx, u[1], "a"), chat.NotFound)
		ok(t, d.Accounts.RevokeSession(ctx, u[0], "a"))
		ok(t, d.Accounts.RevokeSession(ctx, u[0], "a"))
		_, _, err = d.Accounts.Session(ctx, "a", u[0])
		wantKind(t, err, chat.Unauthenticated)
		ls, err := d.Accounts.Logins(ctx, []chat.SessionID{"a", "b", "nope"})
		ok(t, err)
		wantKind(t, ls["a"].Err, chat.Unauthenticated)
		wantKind(t, ls["nope"].Err, chat.Unauthenticated)
		if b := ls["b"]; b.Err != nil || b.Session.ID != "b" || b.Session.User != u[0] || b.User.ID != u[0] || b.User.Username == "" {
			t.Fatalf("%+v", b)
		}
		one, its, err := d.Accounts.Session(ctx, "b", u[0])
		ok(t, err)
		if diff := cmp.Diff(chat.Login{Session: one, User: its}, ls["b"]); diff != "" {
			t.Fatal("read with others (+) and alone (-)", diff)
		}
		ss, err := d.Accounts.Sessions(ctx, u[0])
		ok(t, err)
		if len(ss) != 3 {
			t.Fatal(ss)
		}
		ok(t, d.Accounts.SetPassword(ctx, u[0], "", "new", "b"))
		for _, was := range []string{"older", "new"} { // the first one lost to SetPassword
			ok(t, d.Accounts.Rehash(ctx, u[0], was, "rehashed "+was))
		}
		if user, err := d.Accounts.User(ctx, u[0]); err != nil || user.PasswordHash != "rehashed new" {
			t.Errorf("hash %q, %v", user.PasswordHash, err)
		}
		if _, _, err := d.Accounts.Session(ctx, "b", u[0]); err != nil {
			t.Errorf("a session after its user's hash was renewed: %v", err)
		}
		gone, err := d.Accounts.RevokedAmong(ctx, []chat.SessionID{"a", "b", "c", "zzz"})
		ok(t, err)
		if !slices.Equal(gone, []chat.SessionID{"a", "c", "zzz"}) {
			t.Fatal(gone)
		}
		ok(t, d.Accounts.DisableUser(ctx, u[0]))
		_, _, err = d.Accounts.Session(ctx, "b", u[0])
		wantKind(t, err, chat.Blocked)
		ok(t, d.Accounts.EnableUser(ctx, u[0]))
		ok(t, d.Accounts.EnableUser(ctx, u[0]))
		_, _, err = d.Accounts.Session(ctx, "b", u[0])
		wantKind(t, err, chat.Unauthenticated)
		ok(t, d.Accounts.RevokeSessions(ctx, u[0], ""))
		var got []chat.Revoked
		for _, a := range drain(t, d) {
			if a.Partition != u[0].Partition(16) {
				t.Error("wrong partition")
			}
			got = append(got, *a.Revoked)
		}
		want := []chat.Revoked{{User: u[0], Sessions: []chat.SessionID{"a"}}, {User: u[0], Except: "b"}, {User: u[0], Disabled: true}, {User: u[0]}}
		if diff := cmp.Diff(want, got, cmp.Transformer("sorted", func(rs []chat.Revoked) []chat.Revoked { return rs })); diff != "" {
			t.Fatal(diff)
		}
		info, err := d.Operator.UserInfo(ctx, u[0])
		ok(t, err)
		if info.Sessions != 0 || info.User.ID != u[0] {
			t.Fatal(info)
		}
	})
}

func TestRefresh(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUser(t, d)
		openSession(t, d, u, "s", "t0")
		now := time.Now()
		rotate := func(old, next string, after time.Duration) (chat.Session, error) {
			s, _, err := d.Accounts.RotateRefresh(ctx, chat.Rotation{
				Old: sha256.Sum256([]byte(old)), Next: sha256.Sum256([]byte(next)), Now: now.Add(after), Grace: 10 * time.Second, Idle: time.Hour,
			})
			return s, err
		}
		var all sync.WaitGroup
		for range 20 { // at once, with one successor
			all.Go(func() {
				if s, err := rotate("t0", "t1", time.Second); err != nil || s.ID != "s" || !s.ExpiresAt.After(now.Add(time.Hour)) {
					t.Error(s, err)
				}
			})
		}
		all.Wait()
		_, err := rotate("t1", "t2", 5*time.Second)
		ok(t, err)
		_, err = rotate("t0", "t1", 11*time.Second) // exactly the end of the grace
		ok(t, err)
		_, err = rotate("unknown", "x", 6*time.Second)
		wantKind(t, err, chat.Unauthenticated)
		if s, err := rotate("t2", "t3", 20*time.Second); err != nil || s.ID != "s" {
			t.Fatal(s, err)
		}
		if ans := drain(t, d); len(ans) != 0 {
			t.Fatalf("a parallel refresh revoked something: %+v", ans)
		}
		_, err = rotate("t0", "t1", 12*time.Second)
		wantKind(t, err, chat.Unauthenticated)
		ans := drain(t, d)
		if len(ans) != 1 || !slices.Equal(ans[0].Revoked.Sessions, []chat.SessionID{"s"}) {
			t.Fatalf("%+v", ans)
		}
		_, err = rotate("t3", "t4", 21*time.Second)
		wantKind(t, err, chat.Unauthenticated)

		openSession(t, d, u, "idle", "i0")
		_, err = rotate("i0", "i1", 2*time.Hour)
		wantKind(t, err, chat.Unauthenticated)
		openSession(t, d, u, "busy", "b0")
		_, err = rotate("b0", "b1", 50*time.Minute)
		ok(t, err)
		openSession(t, d, u, "long", "l0")
		for i, tok := range []string{"l0", "l1", "l2"} {
			s, _, err := d.Accounts.RotateRefresh(ctx, chat.Rotation{
				Old: sha256.Sum256([]byte(tok)), Next: sha256.Sum256([]byte{'l', byte('1' + i)}), Now: now.Add(time.Duration(i) * 11 * time.Hour),
				Grace: 10 * time.Second, Idle: 12 * time.Hour,
			})
			ok(t, err)
			if limit := now.Add(24*time.Hour + time.Minute); s.ExpiresAt.After(limit) {
				t.Fatalf("prolonged beyond its absolute end: %v", s.ExpiresAt)
			}
		}
		ok(t, d.Accounts.DisableUser(ctx, u))
		_, err = rotate("b1", "b2", 51*time.Minute)
		wantKind(t, err, chat.Blocked)
	})
}

func TestSweep(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUser(t, d)
		room := makeRoom(t, d, u).Room.ID
		openSession(t, d, u, "s1", "a")
		openSession(t, d, u, "s2", "b")
		s := send(room, u, "1", "x")
		s.ClientSeq = 1
		appendOne(t, d, s)
		if n, err := d.Operator.Sweep(ctx, time.Now().Add(-time.Hour), 10); err != nil || n != 0 {
			t.Fatal(n, err)
		}
		if n, err := d.Operator.Sweep(ctx, time.Now().Add(2*time.Hour), 1); err != nil || n != 3 { // session, token, cursor
			t.Fatal(n, err)
		}
		if n, err := d.Operator.Sweep(ctx, time.Now().Add(2*time.Hour), 1); err != nil || n != 2 {
			t.Fatal(n, err)
		}
		gone, err := d.Accounts.RevokedAmong(ctx, []chat.SessionID{"s1", "s2"})
		if err != nil || len(gone) != 2 {
			t.Fatal(gone, err)
		}
	})
}

// TestProfilesAreAnnounced: another nickname or picture leaves one row for the user's partition; what changes neither leaves none.
func TestProfilesAreAnnounced(t *testing.T) {
	onBothRaw(t, func(t *testing.T, d *store.Store, raw *sql.DB) {
		u := makeUser(t, d)
		nick, other, mail, picture := "Ann", "Anna", "ann2@example.com", "https://example.com/a.png"
		for _, p := range []chat.UserPatch{
			{Nickname: &nick}, {Nickname: &nick}, {Email: &mail}, {AvatarURL: &picture}, {Nickname: &other, AvatarURL: &picture}, {Nickname: &other},
		} {
			_, err := d.Accounts.UpdateUser(ctx, u, p)
			ok(t, err)
		}
		rows, err := raw.Query("SELECT payload FROM outbox WHERE kind = 'user' AND partition_no = ? ORDER BY id", u.Partition(d.DB.Partitions()))
		ok(t, err)
		defer rows.Close()
		var told []string
		for rows.Next() {
			var payload []byte
			ok(t, rows.Scan(&payload))
			a, err := envelope.DecodeAnnouncement(envelope.UserAnnouncement, payload)
			ok(t, err)
			if a.Profile.ID != u || a.Profile.Username == "" || a.Profile.Email != "" || a.Profile.CreatedAt.IsZero() {
				t.Errorf("announced %+v", a.Profile)
			}
			told = append(told, a.Profile.Nickname+" "+a.Profile.AvatarURL)
		}
		ok(t, rows.Err())
		if want := []string{"Ann ", "Ann " + picture, "Anna " + picture}; !slices.Equal(told, want) {
			t.Errorf("announced %q, want %q", told, want)
		}
	})
}
