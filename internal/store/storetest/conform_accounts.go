package storetest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"chat-service/internal/chat"
)

func accountRules() []rule {
	return []rule{
		{"accounts/create and find", createAccounts},
		{"accounts/update", updateAccounts},
		{"accounts/search", searchAccounts},
		{"accounts/passwords", passwords},
		{"accounts/last seen", lastSeen},
	}
}

func createAccounts(t *trial) {
	name := unique("u")
	in := chat.User{Username: name, Nickname: "Nick", Email: name + "@example.com", AvatarURL: "http://x", PasswordHash: "h"}
	u, err := t.Accounts.CreateUser(t.ctx, in)
	t.ok(err)
	if in.ID, in.Status, in.CreatedAt = u.ID, chat.Active, u.CreatedAt; u != in || u.ID == 0 || u.CreatedAt.IsZero() {
		t.Errorf("%+v, want %+v", u, in)
	}
	for _, find := range []func() (chat.User, error){
		func() (chat.User, error) { return t.Accounts.UserByLogin(t.ctx, name) },
		func() (chat.User, error) { return t.Accounts.UserByLogin(t.ctx, in.Email) },
		func() (chat.User, error) { return t.Accounts.User(t.ctx, u.ID) },
	} {
		if found, err := find(); err != nil || found != u {
			t.Errorf("%+v (%v), want %+v", found, err, u)
		}
	}
	_, err = t.Accounts.CreateUser(t.ctx, chat.User{Username: name})
	t.fails(err, chat.UsernameTaken)
	made, err := t.Accounts.CreateUser(t.ctx, chat.User{Username: name + "l", PasswordHash: "h"})
	t.ok(err)
	_, err = t.Accounts.CreateUser(t.ctx, chat.User{Username: name + "1", PasswordHash: "h"}) // looks the same, and is another name
	t.fails(err, chat.UsernameTaken)
	if _, err := t.Accounts.UserByLogin(t.ctx, name+"1"); chat.KindOf(err) != chat.NotFound {
		t.Errorf("%d is found by what their name looks like: %v", made.ID, err)
	}
	_, err = t.Accounts.CreateUser(t.ctx, chat.User{Username: unique("u"), Email: in.Email})
	t.fails(err, chat.EmailTaken)
	for range 2 { // no address is nobody's address
		_, err = t.Accounts.CreateUser(t.ctx, chat.User{Username: unique("u")})
		t.ok(err)
	}
	_, err = t.Accounts.User(t.ctx, 1<<40)
	t.fails(err, chat.NotFound)
	_, err = t.Accounts.UserByLogin(t.ctx, unique("nobody"))
	t.fails(err, chat.NotFound)
	us, err := t.People.Users(t.ctx, []chat.UserID{1 << 40, u.ID, u.ID})
	if t.ok(err); len(us) != 1 || us[0] != u {
		t.Errorf("%+v", us)
	}
}

func updateAccounts(t *trial) {
	u := t.users(2)
	email, nick, none := unique("e")+"@example.com", "New Nick", ""
	got, err := t.Accounts.UpdateUser(t.ctx, u[0], chat.UserPatch{Email: &email, Nickname: &nick})
	if t.ok(err); got.Email != email || got.Nickname != nick || got.AvatarURL != "" {
		t.Errorf("%+v", got)
	}
	_, err = t.Accounts.UpdateUser(t.ctx, u[1], chat.UserPatch{Email: &email})
	t.fails(err, chat.EmailTaken)
	got, err = t.Accounts.UpdateUser(t.ctx, u[0], chat.UserPatch{Email: &none})
	if t.ok(err); got.Email != "" || got.Nickname != nick {
		t.Errorf("%+v", got)
	}
	if got, err = t.Accounts.UpdateUser(t.ctx, u[1], chat.UserPatch{Email: &email}); err != nil || got.Email != email {
		t.Error("an address that was given up is not free:", got, err)
	}
	_, err = t.Accounts.UpdateUser(t.ctx, 1<<40, chat.UserPatch{Nickname: &nick})
	t.fails(err, chat.NotFound)
}

func searchAccounts(t *trial) {
	word := unique("s")
	var made []chat.UserID
	for _, u := range []chat.User{{Username: word + "1"}, {Username: unique("u"), Nickname: "X" + word}, {Username: unique("u"), Nickname: " " + word + "_y"}, {Username: word + "%"}} {
		n, err := t.Accounts.CreateUser(t.ctx, u)
		t.ok(err)
		made = append(made, n.ID)
	}
	var beside chat.UserID
	find := func(prefix string, after chat.UserID, limit int) (found []chat.UserID) {
		t.Helper()
		us, err := t.People.SearchUsers(t.ctx, chat.UserSearch{Prefix: prefix, Beside: beside, After: after, Limit: limit})
		t.ok(err)
		for _, u := range us {
			found = append(found, u.ID)
		}
		return found
	}
	t.same("by prefix", find(word, 0, 10), []chat.UserID{made[0], made[2], made[3]})
	t.same("at most one after", find(word, made[0], 1), made[2:3])
	t.same("wildcards are letters", find(word+"%", 0, 10), made[3:4])
	beside = made[3]
	t.same("of those beside one who is alone", find(word, 0, 10), made[3:])
	t.room(chat.Private, made[3], made[0])
	room := t.room(chat.Private, made[2], made[3])
	t.same("beside one", find(word, 0, 10), []chat.UserID{made[0], made[2], made[3]})
	t.ok(t.Members.RemoveMember(t.ctx, room, made[3], made[3]))
	t.same("who left them", find(word, 0, 10), []chat.UserID{made[0], made[3]})
	beside = 0
	t.ok(t.Accounts.DisableUser(t.ctx, made[0]))
	t.same("without disabled ones", find(word, 0, 10), made[2:])
}

func passwords(t *trial) {
	u := t.user()
	t.open(u, "a")
	t.open(u, "b")
	t.ok(t.Accounts.SetPassword(t.ctx, u, "", "new", t.id(u, "a")))
	if got, err := t.Accounts.User(t.ctx, u); err != nil || got.PasswordHash != "new" {
		t.Error(got, err)
	}
	revoked, err := t.Logins.RevokedAmong(t.ctx, []chat.SessionID{t.id(u, "a"), t.id(u, "b")})
	t.ok(err)
	t.same("revoked", revoked, []chat.SessionID{t.id(u, "b")})
	if rs := t.revoked(u); len(rs) != 1 || rs[0].Except != t.id(u, "a") || rs[0].Disabled {
		t.Errorf("announced: %+v", rs)
	}
	t.ok(t.Accounts.Rehash(t.ctx, u, "old", "wrong"))
	t.ok(t.Accounts.Rehash(t.ctx, u, "new", "newer"))
	if got, err := t.Accounts.User(t.ctx, u); err != nil || got.PasswordHash != "newer" || len(t.revoked(u)) != 0 {
		t.Error(got, err)
	}
	t.fails(t.Accounts.SetPassword(t.ctx, u, "new", "newest", ""), chat.Forbidden)
	if got, err := t.Accounts.User(t.ctx, u); err != nil || got.PasswordHash != "newer" || len(t.revoked(u)) != 0 {
		t.Error("a password is set over another new one", got, err)
	}
	t.ok(t.Accounts.SetPassword(t.ctx, u, "newer", "newest", ""))
	t.ok(t.Accounts.SetPassword(t.ctx, u, "newer", "newest", "")) // its answer was lost
	t.fails(t.Accounts.SetPassword(t.ctx, 1<<40, "", "x", ""), chat.NotFound)
	t.ok(t.Accounts.Rehash(t.ctx, 1<<40, "a", "b"))
}

func lastSeen(t *trial) {
	u := t.users(2)
	when := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	t.ok(t.People.SawUsers(t.ctx, map[chat.UserID]time.Time{u[0]: when}))
	t.ok(t.People.SawUsers(t.ctx, map[chat.UserID]time.Time{u[0]: when.Add(-time.Hour)}))
	t.ok(t.People.SawUsers(t.ctx, nil))
	seen, err := t.People.LastSeen(t.ctx, u)
	if t.ok(err); len(seen) != 1 || !seen[u[0]].Equal(when) {
		t.Errorf("%v", seen)
	}
}

func sessionRules() []rule {
	return []rule{
		{"sessions/open and judge", openSessions},
		{"sessions/revoke", revokeSessions},
		{"sessions/disabled accounts", disabledSessions},
		{"sessions/rotate", rotate},
		{"sessions/too many", tooManySessions},
		{"sessions/outdated logins", outdatedLogins},
		{"sessions/a used token", usedTokens},
	}
}

// id is a session of a trial's user.
func (t *trial) id(user chat.UserID, name string) chat.SessionID {
	return chat.SessionID(user.String() + name)
}

func hash(id chat.SessionID, token string) [32]byte { return sha256.Sum256([]byte(string(id) + token)) }

// open opens a session for an hour, ten at most, with the token "1".
func (t *trial) open(user chat.UserID, name string) chat.SessionID {
	t.Helper()
	id, now := t.id(user, name), time.Now()
	t.ok(t.Sessions.OpenSession(t.ctx, chat.NewSession{
		Session:     chat.Session{ID: id, User: user, Device: "device", ExpiresAt: now.Add(time.Hour)},
		RefreshHash: hash(id, "1"), Until: now.Add(10 * time.Hour),
	}))
	return id
}

// outdatedLogins: what was judged before the account changed opens nothing, also beside the change.
func outdatedLogins(t *trial) {
	u := t.user()
	open := func(name, judged string) error {
		id := t.id(u, name)
		return t.Sessions.OpenSession(t.ctx, chat.NewSession{
			Session:     chat.Session{ID: id, User: u, ExpiresAt: time.Now().Add(time.Hour)},
			RefreshHash: hash(id, "1"), Until: time.Now().Add(time.Hour), Judged: judged,
		})
	}
	t.ok(t.Accounts.SetPassword(t.ctx, u, "", "first", ""))
	t.ok(open("a", "first"))
	for round := range 10 {
		was, next := fmt.Sprint("first", round), fmt.Sprint("first", round+1)
		t.ok(t.Accounts.SetPassword(t.ctx, u, "", was, ""))
		var all sync.WaitGroup
		for n := range 4 {
			all.Go(func() { _ = open(fmt.Sprint(round, ".", n), was) })
		}
		t.ok(t.Accounts.SetPassword(t.ctx, u, was, next, ""))
		all.Wait()
		if live, err := t.Sessions.Sessions(t.ctx, u); err != nil || len(live) != 0 {
			t.Fatalf("sessions opened by a password that is none any more: %+v, %v", live, err)
		}
		t.fails(open("late", was), chat.Unauthenticated)
	}
	t.ok(t.Accounts.DisableUser(t.ctx, u))
	t.fails(open("b", ""), chat.Blocked)
}

// tooManySessions: one more than may be ends the one that was used longest ago, and nobody else's.
func tooManySessions(t *trial) {
	u := t.users(2)
	other := t.open(u[1], "other")
	begun := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for i, name := range []string{"b", "a", "c", "d"} {
		id := t.id(u[0], name)
		t.ok(t.Sessions.OpenSession(t.ctx, chat.NewSession{
			Session: chat.Session{
				ID: id, User: u[0], CreatedAt: begun, LastSeenAt: begun.Add(time.Duration(i) * time.Minute), ExpiresAt: time.Now().Add(time.Hour),
			},
			RefreshHash: hash(id, "1"), Until: time.Now().Add(time.Hour), Most: 2,
		}))
	}
	left, err := t.Sessions.Sessions(t.ctx, u[0])
	if t.ok(err); len(left) != 2 || left[0].ID != t.id(u[0], "d") || left[1].ID != t.id(u[0], "c") {
		t.Errorf("left are %+v, want d and c", left)
	}
	revoked, err := t.Logins.RevokedAmong(t.ctx, []chat.SessionID{t.id(u[0], "a"), t.id(u[0], "b"), t.id(u[0], "c"), other})
	t.ok(err)
	t.same("ended", revoked, []chat.SessionID{t.id(u[0], "a"), t.id(u[0], "b")})
}

func openSessions(t *trial) {
	u := t.users(2)
	id := t.open(u[0], "a")
	s, user, err := t.Logins.Session(t.ctx, id, u[0])
	if t.ok(err); s.ID != id || s.User != u[0] || s.Device != "device" || s.CreatedAt.IsZero() || !s.LastSeenAt.Equal(s.CreatedAt) || user.ID != u[0] {
		t.Errorf("%+v, %+v", s, user)
	}
	_, _, err = t.Logins.Session(t.ctx, id, u[1])
	t.fails(err, chat.Unauthenticated)
	_, _, err = t.Logins.Session(t.ctx, "none", u[0])
	t.fails(err, chat.Unauthenticated)
	long := t.id(u[0], "long")
	t.ok(t.Sessions.OpenSession(t.ctx, chat.NewSession{
		Session: chat.Session{ID: long, User: u[0], ExpiresAt: time.Now().Add(5 * time.Hour)}, RefreshHash: hash(long, "1"), Until: time.Now().Add(time.Hour),
	}))
	if s, _, err := t.Logins.Session(t.ctx, long, u[0]); err != nil || time.Until(s.ExpiresAt) > time.Hour {
		t.Errorf("a session outlives its absolute end: %+v, %v", s, err)
	}
	over := t.id(u[0], "over")
	t.ok(t.Sessions.OpenSession(t.ctx, chat.NewSession{
		Session: chat.Session{ID: over, User: u[0], ExpiresAt: time.Now().Add(-time.Second)}, RefreshHash: hash(over, "1"), Until: time.Now().Add(time.Hour),
	}))
	ls, err := t.Logins.Logins(t.ctx, []chat.SessionID{id, over, "none"})
	t.ok(err)
	if len(ls) != 3 || ls[id].Err != nil || ls[id].User.ID != u[0] || ls[id].Session.ID != id {
		t.Errorf("%+v", ls)
	}
	t.fails(ls[over].Err, chat.Unauthenticated)
	t.fails(ls["none"].Err, chat.Unauthenticated)
	all, err := t.Sessions.Sessions(t.ctx, u[0])
	if t.ok(err); len(all) != 2 || slices.ContainsFunc(all, func(s chat.Session) bool { return s.ID == over }) {
		t.Errorf("live sessions: %+v", all)
	}
	revoked, err := t.Logins.RevokedAmong(t.ctx, []chat.SessionID{id, over, "none"})
	t.ok(err)
	t.same("may no longer be used", revoked, []chat.SessionID{over, "none"})
}

func revokeSessions(t *trial) {
	u := t.users(2)
	a, b, c := t.open(u[0], "a"), t.open(u[0], "b"), t.open(u[0], "c")
	for range 2 {
		t.ok(t.Sessions.RevokeSession(t.ctx, u[0], a))
	}
	if rs := t.revoked(u[0]); len(rs) != 1 || !slices.Equal(rs[0].Sessions, []chat.SessionID{a}) {
		t.Errorf("announced: %+v", rs)
	}
	t.fails(t.Sessions.RevokeSession(t.ctx, u[1], b), chat.NotFound)
	t.fails(t.Sessions.RevokeSession(t.ctx, u[0], "none"), chat.NotFound)
	t.ok(t.Sessions.RevokeSessions(t.ctx, u[0], b))
	if rs := t.revoked(u[0]); len(rs) != 1 || len(rs[0].Sessions) != 0 || rs[0].Except != b {
		t.Errorf("announced: %+v", rs)
	}
	revoked, err := t.Logins.RevokedAmong(t.ctx, []chat.SessionID{a, b, c})
	t.ok(err)
	t.same("revoked", revoked, []chat.SessionID{a, c})
	_, _, err = t.Logins.Session(t.ctx, a, u[0])
	t.fails(err, chat.Unauthenticated)
}

func disabledSessions(t *trial) {
	u := t.user()
	id := t.open(u, "a")
	t.ok(t.Accounts.DisableUser(t.ctx, u))
	if rs := t.revoked(u); len(rs) != 1 || !rs[0].Disabled || rs[0].Except != "" {
		t.Errorf("announced: %+v", rs)
	}
	_, _, err := t.Logins.Session(t.ctx, id, u)
	t.fails(err, chat.Blocked)
	ls, err := t.Logins.Logins(t.ctx, []chat.SessionID{id})
	t.ok(err)
	t.fails(ls[id].Err, chat.Blocked)
	_, _, err = t.Sessions.RotateRefresh(t.ctx, chat.Rotation{Old: hash(id, "1"), Next: hash(id, "2"), Now: time.Now(), Idle: time.Hour})
	t.fails(err, chat.Blocked)
}

func rotate(t *trial) {
	u := t.user()
	id := t.open(u, "a")
	turn := func(old, next string, now time.Time) (chat.Session, error) {
		s, user, err := t.Sessions.RotateRefresh(t.ctx, chat.Rotation{
			Old: hash(id, old), Next: hash(id, next), Now: now, Grace: time.Minute, Idle: 2 * time.Hour,
		})
		if err == nil && (user.ID != u || s.ID != id) {
			t.Errorf("%+v, %+v", s, user)
		}
		return s, err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	s, err := turn("1", "2", now)
	if t.ok(err); !s.ExpiresAt.Equal(now.Add(2*time.Hour)) || !s.LastSeenAt.Equal(now) {
		t.Errorf("%+v", s)
	}
	_, err = turn("1", "2", now.Add(time.Second)) // a second tab
	t.ok(err)
	_, err = turn("2", "3", now.Add(2*time.Second))
	t.ok(err)
	_, err = turn("none", "4", now)
	t.fails(err, chat.Unauthenticated)
	_, err = turn("3", "4", now.Add(90*time.Minute))
	t.ok(err)
	s, err = turn("4", "5", now.Add(3*time.Hour))
	t.ok(err)
	for n, at := 5, now.Add(4*time.Hour); at.Before(now.Add(9 * time.Hour)); n, at = n+1, at.Add(time.Hour) {
		s, err = turn(string(rune('0'+n)), string(rune('0'+n+1)), at)
		t.ok(err)
	}
	if s.ExpiresAt.After(now.Add(10*time.Hour + time.Minute)) {
		t.Errorf("rotation outlives the absolute end: %+v", s)
	}
	_, err = turn("9", ":", now.Add(11*time.Hour))
	t.fails(err, chat.Unauthenticated)
}

func usedTokens(t *trial) {
	u := t.user()
	id := t.open(u, "a")
	now := time.Now()
	r := chat.Rotation{Old: hash(id, "1"), Next: hash(id, "2"), Now: now, Grace: time.Minute, Idle: time.Hour}
	_, _, err := t.Sessions.RotateRefresh(t.ctx, r)
	t.ok(err)
	r.Now = now.Add(2 * time.Minute) // a stolen copy
	_, _, err = t.Sessions.RotateRefresh(t.ctx, r)
	t.fails(err, chat.Unauthenticated)
	if rs := t.revoked(u); len(rs) != 1 || !slices.Equal(rs[0].Sessions, []chat.SessionID{id}) {
		t.Errorf("announced: %+v", rs)
	}
	_, _, err = t.Logins.Session(t.ctx, id, u)
	t.fails(err, chat.Unauthenticated)
	_, _, err = t.Sessions.RotateRefresh(t.ctx, chat.Rotation{Old: hash(id, "2"), Next: hash(id, "3"), Now: r.Now, Grace: time.Minute, Idle: time.Hour})
	t.fails(err, chat.Unauthenticated)
}
