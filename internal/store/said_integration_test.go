//go:build integration

package store_test

import (
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/operator"
)

// TestSaidCountsForNobody: what the application says and recalls, beside recalled messages of users with the same ord, leaves no wrong count.
func TestSaidCountsForNobody(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		u, err := d.Accounts.CreateUser(t.Context(), chat.User{Username: "ann", Nickname: "Ann", Status: chat.Active, CreatedAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		m, err := d.Rooms.CreateRoom(t.Context(), chat.NewRoom{Name: "r", Owner: u.ID})
		if err != nil {
			t.Fatal(err)
		}
		room := m.Room.ID
		recall := func(seq chat.Seq, c chat.Change) {
			t.Helper()
			c.Room, c.Seq, c.ID, c.Kind = room, seq, seq.String(), chat.ChangeRecall
			if done, err := d.Changes.PostChange(t.Context(), c, time.Now()); err != nil || done.Err != nil {
				t.Fatal(err, done.Err)
			}
		}
		sent, err := d.Messages.Post(t.Context(), chat.Send{Room: room, Sender: u.ID, ClientMsgID: "m", Content: "x"}, time.Now())
		if err != nil || sent.Err != nil {
			t.Fatal(err, sent.Err)
		}
		for _, id := range []string{"1", "2"} {
			said, err := d.Messages.PostSaid(t.Context(), chat.Send{Room: room, ClientMsgID: id, Content: chat.SaidContent("x")}, time.Now())
			if err != nil || said.Err != nil {
				t.Fatal(err, said.Err)
			}
			recall(said.Message.Seq, chat.Change{App: true})
		}
		recall(sent.Message.Seq, chat.Change{User: u.ID})
		err = d.Operator.VerifyUnread(t.Context(), false, func(w operator.Drift) { t.Errorf("%+v", w) })
		if err != nil {
			t.Fatal(err)
		}
	})
}
