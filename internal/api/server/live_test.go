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
}

func (f *fakeSessions) Session(_ context.Context, id chat.SessionID, user chat.UserID) (chat.Session, chat.User, error) {
	f.lookups++
	if f.down != nil {
		return chat.Session{}, chat.User{}, f.down
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
	if len(l.byID) != 3 || l.order.Len() != 3 {
		t.Errorf("it holds %d", len(l.byID))
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
