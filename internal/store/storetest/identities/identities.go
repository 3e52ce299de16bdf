// Package identities holds what every implementation of the ports about identities keeps: accounts that follow from what an application's
// issuer calls its users, and sessions that go on.
package identities

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/storetest"
)

// Conform runs the rules on an implementation.
func Conform(t *testing.T, s storetest.Subject) {
	t.Run("made once", func(t *testing.T) { madeOnce(t, s) })
	t.Run("the same session again", func(t *testing.T) { resumed(t, s) })
}

func unique(prefix string) string { return prefix + rand.Text() }

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fails(t *testing.T, err error, want chat.Kind) {
	t.Helper()
	if err == nil || chat.KindOf(err) != want {
		t.Fatalf("error is %v (%s), want %s", err, chat.KindOf(err), want)
	}
}

// madeOnce: one account for an identity, however many make it at once; identities that differ in a blank, in case or in issuer are others.
func madeOnce(t *testing.T, s storetest.Subject) {
	issuer := unique("https://issuer.example/")
	who := chat.Identity{Issuer: issuer, Subject: "Ann"}
	_, err := s.Identities.Identity(t.Context(), who)
	fails(t, err, chat.NotFound)
	const at = 20
	us, made := make([]chat.User, at), make([]bool, at)
	var all sync.WaitGroup
	for i := range at {
		all.Go(func() {
			var err error
			if us[i], made[i], err = s.Identities.Provide(t.Context(), who, chat.User{Nickname: "Ann"}); err != nil {
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
		if us[i] != us[0] || us[i].ID == 0 {
			t.Fatalf("%+v and %+v are made for one identity", us[i], us[0])
		}
	}
	if u, err := s.Identities.Identity(t.Context(), who); first != 1 || err != nil || u != us[0] || u.PasswordHash != "" || u.Status != chat.Active {
		t.Errorf("made %d times; found %+v, %v", first, u, err)
	}
	seen := map[chat.UserID]string{us[0].ID: "Ann"}
	for _, other := range []chat.Identity{
		{Issuer: issuer, Subject: "ann"},
		{Issuer: issuer, Subject: "Ann "},
		{Issuer: issuer, Subject: "\u00c4nn"},
		{Issuer: issuer, Subject: "A\u0308nn"},
		{Issuer: issuer, Subject: strings.Repeat("x", chat.MaxSubject)},
		{Issuer: issuer + "A", Subject: "nn"},
		{Issuer: issuer + "/", Subject: "Ann"},
	} {
		u, made, err := s.Identities.Provide(t.Context(), other, chat.User{Nickname: "Ann"})
		ok(t, err)
		if seen[u.ID] != "" || !made {
			t.Errorf("%+v is %q", other, seen[u.ID])
		}
		seen[u.ID] = other.Subject
	}
}

// resumed: who comes by the same origin again goes on with one session, also at the same moment; what ended stays ended.
func resumed(t *testing.T, s storetest.Subject) {
	who := chat.Identity{Issuer: unique("https://issuer.example/"), Subject: "7"}
	u, _, err := s.Identities.Provide(t.Context(), who, chat.User{Nickname: "n"})
	ok(t, err)
	n := 0
	var mu sync.Mutex
	come := func(device string, ends time.Duration) (chat.SessionID, [32]byte, error) {
		mu.Lock()
		n++
		name := fmt.Sprint("s", n)
		mu.Unlock()
		now := time.Now()
		h := sha256.Sum256([]byte(name + who.Issuer))
		id, err := s.Identities.ResumeSession(t.Context(), chat.NewSession{
			Session:     chat.Session{ID: chat.SessionID(u.ID.String() + name), User: u.ID, Device: device, LastSeenAt: now, ExpiresAt: now.Add(ends)},
			RefreshHash: h, Until: now.Add(ends), Origin: who.Origin(device), Most: 3,
		})
		return id, h, err
	}
	phone, first, err := come("phone", time.Hour)
	ok(t, err)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if id, _, err := come("phone", 2*time.Hour); err != nil || id != phone {
				t.Errorf("the same device: %s, %v, want %s", id, err, phone)
			}
		})
	}
	all.Wait()
	again, h, err := come("phone", 5*time.Hour)
	ok(t, err)
	left, err := s.Sessions.Sessions(t.Context(), u.ID)
	if ok(t, err); len(left) != 1 || left[0].ID != phone || again != phone || time.Until(left[0].ExpiresAt) < 4*time.Hour {
		t.Errorf("%+v is left of %s", left, phone)
	}
	rotate := func(old [32]byte) (chat.Session, error) {
		in, _, err := s.Sessions.RotateRefresh(t.Context(), chat.Rotation{
			Old: old, Next: sha256.Sum256(old[:]), Now: time.Now(), Idle: time.Hour, Grace: time.Second,
		})
		return in, err
	}
	_, err = rotate(first) // too many came after it
	fails(t, err, chat.Unauthenticated)
	tokens := [][32]byte{h}
	for range chat.LiveTokens - 1 {
		_, h, err := come("phone", 5*time.Hour)
		ok(t, err)
		tokens = append(tokens, h)
	}
	for i, old := range tokens { // each of the last ones is good for one more
		if in, err := rotate(old); err != nil || in.ID != phone {
			t.Errorf("token %d: %+v, %v", i, in, err)
		}
	}
	ok(t, s.Sessions.RevokeSession(t.Context(), u.ID, phone))
	next, _, err := come("phone", time.Hour)
	if ok(t, err); next == phone {
		t.Error("a session that was ended goes on")
	}
	for _, device := range []string{"", "a", "b", "c"} { // three may be
		id, _, err := come(device, time.Hour)
		if ok(t, err); id == next {
			t.Errorf("%q goes on with the phone's session", device)
		}
	}
	if left, err = s.Sessions.Sessions(t.Context(), u.ID); err != nil || len(left) != 3 {
		t.Errorf("%d sessions, %v, want 3", len(left), err)
	}
	ok(t, s.Accounts.DisableUser(t.Context(), u.ID))
	_, _, err = come("c", time.Hour)
	fails(t, err, chat.Blocked)
	_, _, err = come("d", time.Hour)
	fails(t, err, chat.Blocked)
}
