//go:build integration

package store_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
)

// TestForgetReactions: the rows that a recall leaves go in steps, and a message that isn't recalled keeps its own, whatever the list says.
func TestForgetReactions(t *testing.T) {
	onBothRaw(t, func(t *testing.T, d *store.Store, raw *sql.DB) {
		u := makeUser(t, d)
		m, err := d.Rooms.CreateRoom(t.Context(), chat.NewRoom{Name: "hall", Owner: u})
		ok(t, err)
		const left = 30
		rows := func() (reactions, listed int) {
			t.Helper()
			ok(t, raw.QueryRow("SELECT (SELECT COUNT(*) FROM reactions), (SELECT COUNT(*) FROM recalled_reactions)").Scan(&reactions, &listed))
			return reactions, listed
		}
		var seqs []chat.Seq
		for i, crowd := range []int{chat.RecalledAtOnce + left, 2} {
			sent, err := d.Messages.Post(t.Context(), chat.Send{Room: m.Room.ID, Sender: u, ClientMsgID: fmt.Sprint(i), Content: "x"}, time.Now())
			ok(t, err)
			seqs = append(seqs, sent.Message.Seq)
			var batch []chat.Change
			for n := range crowd {
				batch = append(batch, chat.Change{
					Room: m.Room.ID, Seq: seqs[i], User: chat.UserID(1000 + n), ID: fmt.Sprint(i, ".", n), Kind: chat.ChangeReaction, Key: "+", On: true, App: true,
				})
			}
			_, _, err = d.Changes.Apply(t.Context(), batch, time.Now())
			ok(t, err)
		}
		done, err := d.Changes.PostChange(t.Context(), chat.Change{Room: m.Room.ID, Seq: seqs[0], User: u, ID: "recall", Kind: chat.ChangeRecall}, time.Now())
		if ok(t, err); done.Err != nil {
			t.Fatal(done.Err)
		}
		if reactions, listed := rows(); reactions != left+2 || listed != 1 {
			t.Fatalf("after the recall %d reactions, %d listed messages", reactions, listed)
		}
		_, err = raw.Exec("INSERT INTO recalled_reactions (room_id, seq) VALUES (?, ?)", m.Room.ID, seqs[1])
		ok(t, err)
		for more, steps := true, 0; more; steps++ {
			_, more, err = d.Jobs.ForgetReactions(t.Context(), 20)
			if ok(t, err); steps > 10 {
				t.Fatal("it doesn't end")
			}
		}
		if reactions, listed := rows(); reactions != 2 || listed != 0 {
			t.Errorf("at the end %d reactions, %d listed messages", reactions, listed)
		}
	})
}
