package lanes

import (
	"context"
	"testing"
	"time"

	"chat-service/internal/chat"
)

// log knows who is a member, and counts how often it is asked.
type log struct {
	Log
	in    bool
	asked int
}

func (l *log) Membership(context.Context, chat.RoomID, chat.UserID) (chat.Membership, error) {
	l.asked++
	if !l.in {
		return chat.Membership{}, chat.E(chat.NotFound, "no such room")
	}
	return chat.Membership{Member: chat.Member{User: 5}}, nil
}

func TestMembersAreBelievedForAMoment(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := &log{}
	m := newMembers(l, func() time.Time { return now })
	ask := func(want bool, asked int) {
		t.Helper()
		if in, err := m.in(t.Context(), 1, 5); in != want || err != nil || l.asked != asked {
			t.Errorf("in %v, %v after %d questions; want %v after %d", in, err, l.asked, want, asked)
		}
	}
	ask(false, 1)
	ask(false, 2) // that somebody is none is not remembered
	l.in = true
	ask(true, 3)
	ask(true, 3)
	now = now.Add(memberFor)
	ask(true, 4)
	m.forget(1, 5)
	ask(true, 5)
}
