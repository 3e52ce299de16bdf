//go:build integration

package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/store"
)

// TestAudit: what ends or changes an account leaves its line within the same transaction, with who did it and from where; what
// is refused leaves none.
func TestAudit(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u := makeUser(t, d)
		by := chat.WithOrigin(ctx, chat.Origin{By: "operator:root@here", IP: "192.0.2.7", Request: "r-1"})
		email := "new@example.com"
		_, err := d.Accounts.UpdateUser(by, u, chat.UserPatch{Email: &email})
		ok(t, err)
		_, err = d.Accounts.UpdateUser(by, u, chat.UserPatch{Email: &email}) // no change: no line
		ok(t, err)
		ok(t, d.Accounts.SetPassword(by, u, "", "hash", ""))
		id := chat.SessionID("audit-" + u.String())
		ok(t, d.Accounts.OpenSession(ctx, chat.NewSession{
			Session: chat.Session{ID: id, User: u, IP: "192.0.2.9", ExpiresAt: time.Now().Add(time.Hour)}, Until: time.Now().Add(time.Hour),
		}))
		ss, err := d.Accounts.Sessions(ctx, u)
		ok(t, err)
		if len(ss) != 1 || ss[0].IP != "192.0.2.9" {
			t.Errorf("sessions %+v", ss)
		}
		ok(t, d.Accounts.RevokeSession(by, u, id))
		ok(t, d.Accounts.RevokeSession(by, u, id)) // ending it twice is once
		ok(t, d.Accounts.DisableUser(by, u))
		ok(t, d.Accounts.EnableUser(by, u))
		wantKind(t, d.Accounts.DisableUser(by, u+1_000_000), chat.NotFound)
		ok(t, d.Audit.Record(ctx, []chat.Act{{Kind: chat.ActLoginFailed, IP: "192.0.2.1"}, {Kind: chat.ActLogin, User: u, IP: "192.0.2.1"}}))

		as, err := d.Audit.Acts(ctx, chat.ActQuery{User: u, Limit: 100})
		ok(t, err)
		var kinds []chat.ActKind
		for _, a := range as {
			kinds = append(kinds, a.Kind)
			if a.At.IsZero() || a.Kind != chat.ActLogin && (a.By != "operator:root@here" || a.IP != "192.0.2.7" || a.Request != "r-1") {
				t.Errorf("line %+v", a)
			}
		}
		want := []chat.ActKind{chat.ActLogin, chat.ActEnabled, chat.ActDisabled, chat.ActSessionEnded, chat.ActPassword, chat.ActEmail}
		if diff := cmp.Diff(want, kinds); diff != "" {
			t.Error(diff)
		}
		for _, q := range []chat.ActQuery{
			{User: u, Kinds: []chat.ActKind{chat.ActLogin}},
			{User: u, IP: "192.0.2.1"},
			{User: u, Before: as[len(as)-1].ID + 1},
			{IP: "192.0.2.1", Kinds: []chat.ActKind{chat.ActLoginFailed}, Since: time.Now().Add(-time.Minute)},
		} {
			q.Limit = 10
			if as, err = d.Audit.Acts(ctx, q); err != nil || len(as) != 1 {
				t.Errorf("%+v finds %d: %v", q, len(as), err)
			}
		}
		_, err = d.Operator.Sweep(ctx, time.Now().Add(-time.Hour), 100)
		ok(t, err)
		if as, err = d.Audit.Acts(ctx, chat.ActQuery{User: u, Limit: 100}); err != nil || len(as) != len(want) {
			t.Errorf("the sweep took young lines: %d left, %v", len(as), err)
		}
		_, err = d.Operator.Sweep(ctx, time.Now().Add(time.Minute), 100)
		ok(t, err)
		if as, err = d.Audit.Acts(ctx, chat.ActQuery{User: u, Limit: 100}); err != nil || len(as) != 0 {
			t.Errorf("%d old lines are left: %v", len(as), err)
		}
	})
}

// TestOperatorOfRooms: an operator hands a group over and dissolves it without being a member; nothing else is possible.
func TestOperatorOfRooms(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		us := makeUsers(t, d, 3)
		room := makeRoom(t, d, us[0], us[1]).Room.ID
		by := chat.WithOrigin(ctx, chat.Origin{By: "operator:root@here"})
		_, err := d.Rooms.Appoint(by, room, us[2])
		wantKind(t, err, chat.NotFound)
		r, err := d.Rooms.Appoint(by, room, us[1])
		ok(t, err)
		if r.Owner != us[1] {
			t.Errorf("owner %d", r.Owner)
		}
		_, err = d.Rooms.Appoint(by, room, us[1]) // nothing to do
		ok(t, err)
		m, err := d.Messages.Membership(ctx, room, us[0])
		ok(t, err)
		if m.Member.Role != chat.Admin {
			t.Errorf("the former owner is %s", m.Member.Role)
		}
		ok(t, d.Rooms.Close(by, room))
		wantKind(t, d.Rooms.Close(by, room), chat.NotFound)
		_, err = d.Rooms.View(ctx, room, us[1])
		wantKind(t, err, chat.NotFound)
		direct, _, err := d.Rooms.DirectRoom(ctx, us[0], us[1])
		ok(t, err)
		wantKind(t, d.Rooms.Close(by, direct.Room.ID), chat.Forbidden)
		as, err := d.Audit.Acts(ctx, chat.ActQuery{Room: room, Limit: 10})
		ok(t, err)
		if len(as) != 2 || as[0].Kind != chat.ActDissolved || as[1].Kind != chat.ActOwner || as[1].User != us[1] || as[0].By != "operator:root@here" {
			t.Errorf("trail %+v", as)
		}
	})
}
