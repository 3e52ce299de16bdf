package server

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"chat-service/internal/chat"
)

// fakeSessions are live sessions of user 1.
type fakeSessions struct {
	ids     []chat.SessionID
	lookups int
	down    error
	after   func() // runs between the reading and its answer
}

func (f *fakeSessions) Session(_ context.Context, id chat.SessionID, user chat.UserID) (chat.Session, chat.User, error) {
	f.lookups++
	if f.down != nil {
		return chat.Session{}, chat.User{}, f.down
	}
	if f.after != nil {
		defer f.after()
	}
	if user != 1 || !slices.Contains(f.ids, id) {
		return chat.Session{}, chat.User{}, chat.E(chat.Unauthenticated, "no such session")
	}
	return chat.Session{ID: id, User: 1}, chat.User{ID: 1}, nil
}

func TestLiveCacheIsBounded(t *testing.T) {
	w := &fakeSessions{}
	l := newLiveCache(w, time.Hour, 3, time.Now)
	for i := range 10 {
		id := chat.SessionID(fmt.Sprint(i))
		w.ids = append(w.ids, id)
		if err := l.check(t.Context(), 1, id); err != nil {
			t.Errorf("check %d = %v", i, err)
		}
	}
	if l.known.Len() != 3 {
		t.Errorf("it holds %d", l.known.Len())
	}
	w.lookups = 0
	for _, id := range []chat.SessionID{"9", "8", "7", "0"} {
		_ = l.check(t.Context(), 1, id)
	}
	if w.lookups != 1 {
		t.Errorf("%d lookups, want only the one for the oldest", w.lookups)
	}
	w.down = chat.E(chat.Unavailable, "")
	if err := l.check(t.Context(), 1, "5"); chat.KindOf(err) != chat.Unavailable {
		t.Errorf("without a store: %v", err)
	}
}

// TestLiveCacheBelievesForAWhile: an answer is believed for the ttl, and only about the user it was asked for.
func TestLiveCacheBelievesForAWhile(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w := &fakeSessions{ids: []chat.SessionID{"a"}}
	l := newLiveCache(w, 3*time.Second, 3, func() time.Time { return now })
	check := func(user chat.UserID, ok bool, lookups int) {
		t.Helper()
		if err := l.check(t.Context(), user, "a"); (err == nil) != ok || w.lookups != lookups {
			t.Errorf("check = %v after %d lookups, want ok %v after %d", err, w.lookups, ok, lookups)
		}
	}
	check(1, true, 1)
	w.ids = nil // it ends in another process
	now = now.Add(3*time.Second - 1)
	check(1, true, 1)
	now = now.Add(1)
	check(1, false, 2)
	check(1, false, 2) // that it ended is remembered, too
	check(2, false, 3)
}

func TestLiveCacheForgets(t *testing.T) {
	for name, forget := range map[string]func(*LiveCache){
		"the session": func(l *LiveCache) { l.Forget("a") },
		"the user":    func(l *LiveCache) { l.ForgetUser(1) },
	} {
		t.Run(name, func(t *testing.T) {
			w := &fakeSessions{ids: []chat.SessionID{"a"}}
			l := newLiveCache(w, time.Hour, 3, time.Now)
			if err := l.check(t.Context(), 1, "a"); err != nil {
				t.Fatal(err)
			}
			w.ids = nil
			forget(l)
			if err := l.check(t.Context(), 1, "a"); err == nil {
				t.Error("an ended session may still act")
			}
			// What was read before the forgetting must not be remembered after it.
			w.ids, w.after = []chat.SessionID{"b"}, func() { forget(l) }
			if err := l.check(t.Context(), 1, "b"); err != nil {
				t.Fatal(err)
			}
			w.ids, w.after = nil, nil
			if err := l.check(t.Context(), 1, "b"); err == nil {
				t.Error("an answer from before the session ended was kept")
			}
		})
	}
}
