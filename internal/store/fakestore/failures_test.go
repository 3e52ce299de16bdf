package fakestore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/fakestore"
)

// TestFailures: the switches by which a test has the store fail.
func TestFailures(t *testing.T) {
	ctx := t.Context()
	s := fakestore.New(fakestore.Options{Partitions: 4, AnyUser: true, AnySession: func(id chat.SessionID) (chat.UserID, bool) { return 5, id == "5a" }})
	s.AddRoom(chat.Room{ID: 7}, 5, 6)
	send := []chat.Send{{Room: 7, Sender: 5, Session: "5a", ClientMsgID: "a", Content: "text"}}

	s.LoseAnswers(1)
	if _, _, err := s.Append(ctx, send, time.Now()); chat.KindOf(err) != chat.Unavailable || len(s.Log(7)) != 1 {
		t.Errorf("an unanswered append: %v, log %v", err, s.Log(7))
	}
	if sent, _, err := s.Append(ctx, send, time.Now()); err != nil || !sent[0].Duplicate {
		t.Error(sent, err)
	}
	down := chat.E(chat.Unavailable, "down")
	s.Down(down)
	if _, err := s.Users(ctx, []chat.UserID{5}); !errors.Is(err, down) {
		t.Error(err)
	}
	s.Down(nil)
	if us, err := s.Users(ctx, []chat.UserID{5}); err != nil || len(us) != 1 || us[0].Username != "u5" {
		t.Error(us, err)
	}
	if l, err := s.Logins(ctx, []chat.SessionID{"5a", "x"}); err != nil || l["5a"].Err != nil || l["5a"].User.ID != 5 || l["x"].Err == nil {
		t.Error(l, err)
	}

	entered, leave := make(chan string), make(chan struct{})
	s.Before(func(_ context.Context, verb string) error {
		entered <- verb
		<-leave
		return nil
	})
	done := make(chan error)
	go func() {
		_, err := s.Membership(ctx, 7, 5)
		done <- err
	}()
	if verb := <-entered; verb != "Membership" || len(s.Log(7)) != 1 { // a slow verb holds up nobody else
		t.Error(verb)
	}
	close(leave)
	if err := <-done; err != nil || s.Calls("Membership") != 1 {
		t.Error(err)
	}
	s.Before(nil)

	var after []string
	s.After(func(_ context.Context, verb string) { after = append(after, verb+" of "+s.Log(7)[0].Content) }) // nothing is locked
	if _, err := s.Rooms(ctx, []chat.RoomID{7}); err != nil || len(after) != 1 || after[0] != "Rooms of text" {
		t.Error(after, err)
	}
	s.After(nil)

	s.Poison("boom", 7)
	panics(t, func() { _, _ = s.Places(ctx, []chat.Place{{Room: 7, User: 5}}) })
	send[0].ClientMsgID, send[0].Content = "b", "boom"
	panics(t, func() { _, _, _ = s.Append(ctx, send, time.Now()) })
	s.Poison("", 0)
	if _, _, err := s.Append(ctx, send, time.Now()); err != nil {
		t.Error("after a panic:", err)
	}

	s.Stall(true)
	beat, cancel := context.WithCancel(ctx)
	go func() { done <- s.Beat(beat, chat.LiveWorker{Boot: "b"}) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || s.Late() != 1 {
		t.Error(err, s.Late())
	}
	s.AddUnknown(2, "of_tomorrow")
	if n, err := s.OutboxUnknown(ctx, []int{2}); err != nil || n != 1 {
		t.Error(n, err)
	}
	if ans, err := s.Outbox(ctx, []int{2}, 9); err != nil || len(ans) != 0 {
		t.Error(ans, err)
	}
}

func panics(t *testing.T, fn func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	fn()
}
