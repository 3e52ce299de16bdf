//go:build integration

package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/store/operator"
)

// canary is in everything that a user wrote and was: after they were erased it is nowhere.
const canary = "canary"

// erasing is a user with traces in rooms of all kinds, beside somebody who stays.
type erasing struct {
	*testing.T
	d          *store.Store
	gone, stay chat.UserID
	rooms      []chat.RoomID
	n          int
}

func newErasing(t *testing.T, d *store.Store) *erasing {
	e := &erasing{T: t, d: d}
	u, _, err := d.Accounts.Provide(t.Context(), chat.External(canary+"-id"), chat.User{Nickname: canary, AvatarURL: "https://example.com/" + canary})
	ok(t, err)
	email := canary + "@example.com"
	_, err = d.Accounts.UpdateUser(t.Context(), u.ID, chat.UserPatch{Email: &email})
	ok(t, err)
	s, err := d.Accounts.CreateUser(t.Context(), chat.User{Username: "stay", Nickname: "Stay"})
	ok(t, err)
	e.gone, e.stay = u.ID, s.ID
	ok(t, d.Accounts.OpenSession(t.Context(), chat.NewSession{
		Session: chat.Session{ID: "session-1", User: u.ID, Device: canary, IP: "192.0.2.1", ExpiresAt: time.Now().Add(time.Hour)}, Until: time.Now().Add(time.Hour),
	}))
	for _, name := range []string{"a", "b", "gone"} {
		m, err := d.Rooms.CreateRoom(t.Context(), chat.NewRoom{Name: name, Owner: s.ID, Members: []chat.UserID{u.ID}})
		ok(t, err)
		e.rooms = append(e.rooms, m.Room.ID)
	}
	m, _, err := d.Rooms.DirectRoom(t.Context(), u.ID, s.ID)
	ok(t, err)
	e.rooms = append(e.rooms, m.Room.ID)
	return e
}

// post sends a message of the user's or of the other one's.
func (e *erasing) post(room chat.RoomID, by chat.UserID, text string) chat.Seq {
	e.Helper()
	e.n++
	sent, err := e.d.Messages.Post(e.Context(), chat.Send{Room: room, Sender: by, ClientMsgID: fmt.Sprintf("m%05d", e.n), Content: text, Data: `{"x":"` + text + `"}`}, time.Now())
	if ok(e.T, err); sent.Err != nil {
		e.Fatal(sent.Err)
	}
	return sent.Message.Seq
}

func (e *erasing) change(c chat.Change) {
	e.Helper()
	e.n++
	c.ID = fmt.Sprintf("c%05d", e.n)
	d, err := e.d.Changes.PostChange(e.Context(), c, time.Now())
	if ok(e.T, err); d.Err != nil {
		e.Fatal(d.Err)
	}
}

// live writes in all rooms: messages, edits, recalls, reactions of both.
func (e *erasing) live(messages int) {
	e.Helper()
	for _, room := range e.rooms {
		other := e.post(room, e.stay, "stays")
		e.change(chat.Change{Room: room, Seq: other, User: e.gone, Kind: chat.ChangeReaction, Key: canary, On: true})
		e.change(chat.Change{Room: room, Seq: other, User: e.gone, Kind: chat.ChangeReaction, Key: "+1", On: true})
		e.change(chat.Change{Room: room, Seq: other, User: e.stay, Kind: chat.ChangeReaction, Key: "+1", On: true})
		var seq chat.Seq
		for range messages {
			seq = e.post(room, e.gone, canary)
		}
		edited := canary + " again"
		e.change(chat.Change{Room: room, Seq: seq, User: e.gone, Kind: chat.ChangeEdit, Content: &edited})
		e.change(chat.Change{Room: room, Seq: seq, User: e.stay, Kind: chat.ChangeReaction, Key: "x", On: true})
		back := e.post(room, e.gone, canary)
		e.change(chat.Change{Room: room, Seq: back, User: e.gone, Kind: chat.ChangeRecall})
	}
}

// traces lists where in the database a text still is.
func (e *erasing) traces(text string) (found []string) {
	e.Helper()
	pool := e.d.DB
	ok(e.T, pool.Retry(e.Context(), "look", func(tx db.Tx) error {
		var cols []struct{ T, C string }
		err := tx.Raw("SELECT table_name AS t, column_name AS c FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name <> 'audit'" +
			" AND data_type IN ('varchar','varbinary','mediumtext','mediumblob','text','blob')").Scan(&cols).Error
		for _, c := range cols {
			var n int64
			if err == nil {
				err = tx.Raw("SELECT COUNT(*) FROM "+c.T+" WHERE LOWER(CONVERT("+c.C+" USING utf8mb4)) LIKE ?", "%"+text+"%").Scan(&n).Error
			}
			if n > 0 {
				found = append(found, fmt.Sprintf("%s.%s (%d)", c.T, c.C, n))
			}
		}
		return err
	}))
	return found
}

func (e *erasing) exec(q string, args ...any) {
	e.Helper()
	ok(e.T, e.d.DB.Retry(e.Context(), "exec", func(tx db.Tx) error { return tx.Exec(q, args...).Error }))
}

// run does steps until the job is done.
func (e *erasing) run(id chat.JobID, atOnce int) (j chat.Job) {
	e.Helper()
	for range 10_000 {
		var err error
		if j, _, err = e.d.Jobs.StepJob(e.Context(), id, atOnce); err != nil {
			e.Fatal(err)
		}
		if j.State == chat.JobDone {
			return j
		}
	}
	e.Fatalf("the job doesn't end: %+v", j)
	return j
}

// TestErase: what a user wrote and was is gone from every table, in every room, whatever became of it; what others wrote stays, clients are
// told, counts are right, and the account is shut for good.
func TestErase(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		e := newErasing(t, d)
		e.live(7)
		ok(t, d.Rooms.Dissolve(t.Context(), e.rooms[2], e.stay))
		ok(t, d.Rooms.RemoveMember(t.Context(), e.rooms[1], e.stay, e.gone))
		_, unread, err := d.Rooms.Unread(t.Context(), e.stay)
		ok(t, err)
		if unread[e.rooms[0]] != 7 {
			t.Fatalf("unread before: %v", unread)
		}
		e.exec("DELETE FROM outbox") // announced
		if e.traces(canary) == nil {
			t.Fatal("there is nothing to erase")
		}
		j, made, err := d.Jobs.StartErase(t.Context(), e.gone)
		if ok(t, err); !made || j.State != chat.JobWaiting || j.User != e.gone {
			t.Fatalf("started %v %+v", made, j)
		}
		if _, _, err := d.Accounts.Session(t.Context(), "session-1", e.gone); err == nil {
			t.Error("the session lives")
		}
		_, err = d.Messages.Post(t.Context(), chat.Send{Room: e.rooms[0], Sender: e.gone, ClientMsgID: "late", Content: canary}, time.Now())
		fails(t, err, chat.Blocked)
		if again, made, err := d.Jobs.StartErase(t.Context(), e.gone); err != nil || made || again.ID != j.ID {
			t.Errorf("again: %+v %v %v", again, made, err)
		}
		done := e.run(j.ID, 3)
		e.exec("DELETE FROM outbox")
		if done.Done != 4*(8+2-1) || done.FinishedAt.IsZero() { // 7 messages and two reactions a room: the eighth message was recalled
			t.Errorf("done: %+v", done)
		}
		if found := e.traces(canary); found != nil {
			t.Errorf("left in %v", found)
		}
		var hashes int64
		ok(t, d.DB.Retry(t.Context(), "look", func(tx db.Tx) error {
			return tx.Raw("SELECT (SELECT COUNT(*) FROM messages WHERE sender_id = ? AND body_hash <> ?) + (SELECT COUNT(*) FROM room_changes WHERE user_id = ? AND hash <> ?)",
				e.gone, make([]byte, 16), e.gone, make([]byte, 16)).Scan(&hashes).Error
		}))
		if hashes != 0 {
			t.Errorf("%d hashes are left", hashes)
		}
		ms, err := d.Messages.Messages(t.Context(), e.rooms[0], 1, 100, 100)
		ok(t, err)
		for _, m := range ms {
			switch {
			case m.Sender == e.gone && (!m.Recalled() || m.Content != "" || m.Data != ""):
				t.Errorf("left: %+v", m)
			case m.Sender == e.stay && (m.Content != "stays" || len(m.State.Reactions) != 1 || m.State.Reactions[0].Count != 1 || !slices.Equal(m.State.Reactions[0].Users, []chat.UserID{e.stay})):
				t.Errorf("what stays is %+v %+v", m, m.State)
			}
		}
		if _, per, err := d.Rooms.Unread(t.Context(), e.stay); err != nil || len(per) != 0 {
			t.Errorf("unread: %v %v", per, err)
		}
		ok(t, d.Operator.VerifyUnread(t.Context(), false, func(w operator.Drift) { t.Errorf("%+v", w) }))
		e.shell()
		if again, made, err := d.Jobs.StartErase(t.Context(), e.gone); err != nil || made || again.ID != j.ID || again.State != chat.JobDone {
			t.Errorf("when it is done: %+v %v %v", again, made, err)
		}
		_, _, err = d.Jobs.StartErase(t.Context(), chat.MaxID)
		fails(t, err, chat.NotFound)
		_, err = d.Jobs.Job(t.Context(), chat.MaxID)
		fails(t, err, chat.NotFound)
		if open, err := d.Jobs.OpenJobs(t.Context(), 10); err != nil || len(open) != 0 {
			t.Errorf("open: %v %v", open, err)
		}
	})
}

// shell: the account is there, empty, and nothing goes into it; its ids make others.
func (e *erasing) shell() {
	e.Helper()
	u, err := e.d.Accounts.User(e.Context(), e.gone)
	if ok(e.T, err); u.Nickname != chat.ErasedName || u.Username != chat.ErasedUsername(e.gone) || u.Email != "" || u.AvatarURL != "" || u.PasswordHash != "" || u.Status != chat.Disabled {
		e.Errorf("the shell is %+v", u)
	}
	fails(e.T, e.d.Accounts.EnableUser(e.Context(), e.gone), chat.Conflict)
	name := "New"
	_, err = e.d.Accounts.UpdateUser(e.Context(), e.gone, chat.UserPatch{Nickname: &name})
	fails(e.T, err, chat.Conflict)
	fails(e.T, e.d.Accounts.SetPassword(e.Context(), e.gone, "", "h", ""), chat.Conflict)
	if other, made, err := e.d.Accounts.Provide(e.Context(), chat.External(canary+"-id"), chat.User{Nickname: "n"}); err != nil || !made || other.ID == e.gone {
		e.Errorf("the id makes %+v %v %v", other, made, err)
	}
	e.exec("DELETE FROM identities WHERE subject = ?", canary+"-id")
}

// TestEraseAtOnce: twenty calls start one job, several workers that do its steps at once do each once, and a step that fails anywhere leaves
// nothing half done.
func TestEraseAtOnce(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		e := newErasing(t, d)
		e.live(10)
		e.exec("DELETE FROM outbox")
		var all sync.WaitGroup
		ids, first := make([]chat.JobID, 20), make([]bool, 20)
		for i := range ids {
			all.Go(func() {
				j, made, err := d.Jobs.StartErase(t.Context(), e.gone)
				if err != nil {
					t.Error(err)
				}
				ids[i], first[i] = j.ID, made
			})
		}
		all.Wait()
		if slices.Sort(ids); ids[0] != ids[19] || ids[0] == 0 {
			t.Fatalf("twenty calls start %v", ids)
		}
		if first = slices.DeleteFunc(first, func(is bool) bool { return !is }); len(first) != 1 {
			t.Errorf("%d calls made it", len(first))
		}
		for i := range 3 {
			all.Go(func() {
				for {
					ctx, cancel := t.Context(), func() {}
					if i == 0 { // one whose steps are cut off at any moment
						ctx, cancel = context.WithTimeout(ctx, time.Duration(1+e.n%7)*time.Millisecond)
					}
					j, _, err := d.Jobs.StepJob(ctx, ids[0], 2)
					cancel()
					if err == nil && j.State == chat.JobDone {
						return
					}
					if err != nil && chat.KindOf(err) != chat.Unavailable {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		j, err := d.Jobs.Job(t.Context(), ids[0])
		if ok(t, err); j.Done != 4*(10+2) {
			t.Errorf("done: %+v", j)
		}
		var told []string
		ok(t, d.DB.Retry(t.Context(), "look", func(tx db.Tx) error {
			return tx.Raw("SELECT DISTINCT change_id FROM (SELECT CONCAT(room_id, JSON_VALUE(CONVERT(payload USING utf8mb4), '$.changed.change_id')) AS change_id" +
				" FROM outbox WHERE kind = 'change') c").Scan(&told).Error
		}))
		if len(told) != 4*12 {
			t.Errorf("%d changes are announced: %v", len(told), told)
		}
		e.exec("DELETE FROM outbox")
		if found := e.traces(canary); found != nil {
			t.Errorf("left in %v", found)
		}
		ok(t, d.Operator.VerifyUnread(t.Context(), false, func(w operator.Drift) { t.Errorf("%+v", w) }))
	})
}

func fails(t testing.TB, err error, want chat.Kind) {
	t.Helper()
	if err == nil || chat.KindOf(err) != want {
		t.Fatalf("error is %v (%s), want %s", err, chat.KindOf(err), want)
	}
}
