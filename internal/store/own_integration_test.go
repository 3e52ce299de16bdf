//go:build integration

package store_test

import (
	"fmt"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
)

// TestOwnKeys: one query says of many people what they have set under many messages; a recall takes all of it.
func TestOwnKeys(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		ann, bob := makeUser(t, d), makeUser(t, d)
		room, err := d.Rooms.CreateRoom(ctx, chat.NewRoom{Owner: ann, Name: "r", Members: []chat.UserID{bob}})
		ok(t, err)
		for _, id := range []string{"a", "b"} {
			sent, _, err := d.Messages.Append(ctx, []chat.Send{{Room: room.Room.ID, Sender: ann, ClientMsgID: id, Content: id}}, time.Now())
			ok(t, err)
			if sent[0].Err != nil {
				t.Fatal(sent[0].Err)
			}
		}
		react := func(u chat.UserID, seq chat.Seq, key string, on bool) chat.Change {
			return chat.Change{Room: room.Room.ID, Seq: seq, User: u, ID: fmt.Sprint(u, seq, key, on), Kind: chat.ChangeReaction, Key: key, On: on}
		}
		apply := func(cs ...chat.Change) {
			t.Helper()
			done, _, err := d.Changes.Apply(ctx, cs, time.Now())
			ok(t, err)
			for _, x := range done {
				if x.Err != nil {
					t.Fatal(x.Err)
				}
			}
		}
		cs := []chat.Change{react(ann, 2, "z", true), react(ann, 2, "a", true), react(bob, 2, "a", true), react(ann, 3, "q", true), react(ann, 2, "q", true), react(ann, 2, "q", false)}
		apply(cs...)
		keys := func() string {
			t.Helper()
			got, err := d.Changes.OwnKeys(ctx, append(cs[:4:4], react(bob, 3, "a", true)))
			ok(t, err)
			return fmt.Sprint(got)
		}
		if got := keys(); got != "[[a z] [a z] [a] [q] []]" {
			t.Errorf("own keys %s", got)
		}
		apply(chat.Change{Room: room.Room.ID, Seq: 2, User: ann, ID: "gone", Kind: chat.ChangeRecall})
		if got := keys(); got != "[[] [] [] [q] []]" {
			t.Errorf("after a recall: %s", got)
		}
	})
}
