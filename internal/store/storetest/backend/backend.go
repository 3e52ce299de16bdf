// Package backend holds what every implementation of the ports for the application's backend keeps: its keys, and rooms by ids of its own.
package backend

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/store/storetest"
)

// Keys keeps keys of the application's backend.
type Keys interface {
	CreateKey(ctx context.Context, k chat.Key) error
	Keys(ctx context.Context) ([]chat.Key, error)
	Key(ctx context.Context, id string) (chat.Key, error)
	KeyUsed(ctx context.Context, id string, at time.Time) error
	RevokeKey(ctx context.Context, id string) error
}

// Spaces are rooms by ids of the application's own.
type Spaces interface {
	Room(ctx context.Context, id chat.RoomID) (chat.Room, error)
	ExternalRoom(ctx context.Context, ext string) (chat.Room, error)
	ProvideRoom(ctx context.Context, ext string, n chat.NewRoom) (chat.Room, bool, error)
	Appoint(ctx context.Context, room chat.RoomID, to chat.UserID) (chat.Room, error)
	Close(ctx context.Context, room chat.RoomID) error
	WholeMembers(ctx context.Context, room chat.RoomID, after chat.UserID, limit int) ([]chat.MemberUser, error)
}

// Logs are whole logs, and what the application writes in them itself.
type Logs interface {
	PostSaid(ctx context.Context, s chat.Send, now time.Time) (chat.Sent, error)
	WholeHistory(ctx context.Context, q chat.HistoryQuery) (chat.HistoryPage, error)
}

// Conform runs the rules on an implementation.
func Conform(t *testing.T, s storetest.Subject, keys Keys, spaces Spaces, logs Logs) {
	t.Run("keys", func(t *testing.T) { kept(t, keys) })
	t.Run("own rooms", func(t *testing.T) { provided(t, s, spaces) })
	t.Run("whole history", func(t *testing.T) { whole(t, s, spaces, logs) })
	t.Run("said by the application", func(t *testing.T) { said(t, s, spaces, logs) })
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kept: a key is found by its id as it was made, and by nothing like it; its use is remembered to the minute; it is revoked once.
func kept(t *testing.T, s Keys) {
	id := strings.ToLower(rand.Text())[:16]
	at := time.Date(2026, 2, 3, 4, 5, 6, 7000, time.UTC)
	want := chat.Key{
		ID: id, Hash: chat.KeySecret{1, 2, 3}.Hash(), Name: "Backend ✓", Scopes: []chat.Scope{chat.ScopeUsers, chat.ScopeRead},
		CreatedAt: at, ExpiresAt: at.Add(time.Hour),
	}
	ok(t, s.CreateKey(t.Context(), want))
	read := func() chat.Key {
		t.Helper()
		k, err := s.Key(t.Context(), id)
		ok(t, err)
		return k
	}
	if d := cmp.Diff(want, read()); d != "" {
		t.Errorf("the key differs:\n%s", d)
	}
	for _, other := range []string{"", strings.ToUpper(id), id + " ", id[1:]} {
		if _, err := s.Key(t.Context(), other); chat.KindOf(err) != chat.NotFound {
			t.Errorf("key %q: %v", other, err)
		}
		if err := s.RevokeKey(t.Context(), other); chat.KindOf(err) != chat.NotFound {
			t.Errorf("revoke %q: %v", other, err)
		}
	}
	for _, use := range []struct{ at, want time.Duration }{{0, 0}, {59 * time.Second, 0}, {time.Minute, time.Minute}, {0, time.Minute}} {
		ok(t, s.KeyUsed(t.Context(), id, at.Add(use.at)))
		if got := read().LastUsedAt; !got.Equal(at.Add(use.want)) {
			t.Errorf("used %v later, remembered %v", use.at, got.Sub(at))
		}
	}
	ok(t, s.RevokeKey(t.Context(), id))
	first := read()
	ok(t, s.RevokeKey(t.Context(), id))
	if again := read(); first.RevokedAt.IsZero() || !again.RevokedAt.Equal(first.RevokedAt) {
		t.Errorf("revoked at %v, then at %v", first.RevokedAt, again.RevokedAt)
	}
	all, err := s.Keys(t.Context())
	ok(t, err)
	if i := slices.IndexFunc(all, func(k chat.Key) bool { return k.ID == id }); i < 0 || all[i].RevokedAt.IsZero() {
		t.Errorf("it isn't listed as it is: %v", all)
	}
}

// people makes users.
func people(t *testing.T, s storetest.Subject, n int) (ids []chat.UserID) {
	t.Helper()
	for range n {
		u, _, err := s.Identities.Provide(t.Context(), chat.External(rand.Text()), chat.User{Nickname: "n"})
		ok(t, err)
		ids = append(ids, u.ID)
	}
	return ids
}

// provided: one room for an id of the application's own, however many make it at once; ids that differ in a blank or in case are others, and
// what can't be made leaves nothing.
func provided(t *testing.T, s storetest.Subject, spaces Spaces) {
	us := people(t, s, 3)
	ext := "Room " + rand.Text()
	n := chat.NewRoom{Name: "Own", Owner: us[0], Members: us[:2], Visibility: chat.Public}
	_, err := spaces.ExternalRoom(t.Context(), ext)
	fails(t, err, chat.NotFound)
	bad := n
	bad.Members = []chat.UserID{us[1], chat.MaxID}
	_, _, err = spaces.ProvideRoom(t.Context(), ext, bad)
	fails(t, err, chat.Invalid)
	const at = 20
	rs, made := make([]chat.Room, at), make([]bool, at)
	var all sync.WaitGroup
	for i := range at {
		all.Go(func() {
			var err error
			if rs[i], made[i], err = spaces.ProvideRoom(t.Context(), ext, n); err != nil {
				t.Errorf("provide: %v", err)
			}
		})
	}
	all.Wait()
	first := 0
	for i := range at {
		if made[i] {
			first++
		}
		if rs[i].ID != rs[0].ID || rs[i].ID == 0 {
			t.Errorf("twenty calls find %+v and %+v", rs[0], rs[i])
		}
	}
	r, err := spaces.ExternalRoom(t.Context(), ext)
	if ok(t, err); first != 1 || r != rs[0] || r.Owner != us[0] || r.MemberCount != 2 || r.LastSeq != 1 || r.Visibility != chat.Public || r.Type != chat.Group {
		t.Errorf("%d made %+v", first, r)
	}
	if same, err := spaces.Room(t.Context(), r.ID); err != nil || same != r {
		t.Errorf("by number: %+v, %v", same, err)
	}
	_, err = spaces.Room(t.Context(), chat.MaxID)
	fails(t, err, chat.NotFound)
	for _, other := range []string{ext + " ", strings.ToLower(ext)} {
		if o, isNew, err := spaces.ProvideRoom(t.Context(), other, n); err != nil || !isNew || o.ID == r.ID {
			t.Errorf("%q: %+v %v %v", other, o, isNew, err)
		}
	}
	_, err = spaces.Appoint(t.Context(), r.ID, us[2])
	fails(t, err, chat.NotFound)
	if r, err = spaces.Appoint(t.Context(), r.ID, us[1]); err != nil || r.Owner != us[1] {
		t.Errorf("appointed: %+v, %v", r, err)
	}
	listed(t, s, spaces, r.ID, us)
	ok(t, spaces.Close(t.Context(), r.ID))
	fails(t, spaces.Close(t.Context(), r.ID), chat.NotFound)
	if gone, isNew, err := spaces.ProvideRoom(t.Context(), ext, n); err != nil || isNew || gone.ID != r.ID || gone.DissolvedAt.IsZero() {
		t.Errorf("dissolved: %+v %v %v", gone, isNew, err)
	}
}

// listed: who is in a room is what its members see, by pages, and a direct room isn't dissolved.
func listed(t *testing.T, s storetest.Subject, spaces Spaces, room chat.RoomID, us []chat.UserID) {
	t.Helper()
	want, err := s.Lists.Members(t.Context(), room, us[0], 0, 10)
	ok(t, err)
	var got []chat.MemberUser
	for after := chat.UserID(0); ; after = got[len(got)-1].User.ID {
		page, err := spaces.WholeMembers(t.Context(), room, after, 1)
		if ok(t, err); len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	if d := cmp.Diff(want, got); d != "" || len(got) != 2 {
		t.Errorf("members differ:\n%s", d)
	}
	m, _, err := s.Rooms.DirectRoom(t.Context(), us[0], us[1])
	ok(t, err)
	fails(t, spaces.Close(t.Context(), m.Room.ID), chat.Forbidden)
	fails(t, spaces.Close(t.Context(), chat.MaxID), chat.NotFound)
}

// whole: the whole history of a room is what a member reads who was there from the beginning.
func whole(t *testing.T, s storetest.Subject, spaces Spaces, logs Logs) {
	us := people(t, s, 2)
	r, _, err := spaces.ProvideRoom(t.Context(), rand.Text(), chat.NewRoom{Name: "Own", Owner: us[0]})
	ok(t, err)
	for i := range 7 {
		sent, err := s.Messages.Post(t.Context(), chat.Send{Room: r.ID, Sender: us[0], ClientMsgID: fmt.Sprint(i), Content: "x"}, time.Now())
		if ok(t, err); sent.Err != nil {
			t.Fatal(sent.Err)
		}
	}
	_, err = s.Members.AddMembers(t.Context(), r.ID, us[0], us[1:])
	ok(t, err)
	three, nine := chat.Seq(3), chat.Seq(9)
	for i, q := range []chat.HistoryQuery{{}, {PageSize: 3}, {Page: 2, PageSize: 3}, {Page: 9}, {After: &three, Limit: 2}, {Before: &three}, {Around: &three, Limit: 3}, {After: &nine}} {
		q.Room, q.User = r.ID, us[0]
		want, err := s.Messages.History(t.Context(), q)
		ok(t, err)
		q.User = 0
		got, err := logs.WholeHistory(t.Context(), q)
		ok(t, err)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("query %d differs:\n%s", i, d)
		}
	}
	_, err = logs.WholeHistory(t.Context(), chat.HistoryQuery{Room: chat.MaxID})
	fails(t, err, chat.NotFound)
	_, err = logs.WholeHistory(t.Context(), chat.HistoryQuery{Room: r.ID, Page: -1})
	fails(t, err, chat.Invalid)
}

func fails(t *testing.T, err error, want chat.Kind) {
	t.Helper()
	if err == nil || chat.KindOf(err) != want {
		t.Fatalf("error is %v (%s), want %s", err, chat.KindOf(err), want)
	}
}
