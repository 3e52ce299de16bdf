package backend

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/storetest"
)

// Jobs are work that takes longer than a call.
type Jobs interface {
	StartErase(ctx context.Context, user chat.UserID) (chat.Job, bool, error)
	Job(ctx context.Context, id chat.JobID) (chat.Job, error)
	OpenJobs(ctx context.Context, limit int) ([]chat.Job, error)
	StepJob(ctx context.Context, id chat.JobID, atOnce int) (chat.Job, int, error)
	JobFailed(ctx context.Context, id chat.JobID, why string) error
	ForgetReactions(ctx context.Context, atOnce int) (int, bool, error)
}

// ConformJobs runs the rules of jobs on an implementation: an account is shut and emptied by the first of many calls, all of which find one job; what fails is noted and doesn't end it;
// done it stays done, and the account empty.
func ConformJobs(t *testing.T, s storetest.Subject, jobs Jobs) {
	t.Run("reactions are forgotten", func(t *testing.T) { forgotten(t, s, jobs) })
	u := people(t, s, 1)[0]
	const at = 20
	js, made := make([]chat.Job, at), make([]bool, at)
	var all sync.WaitGroup
	for i := range at {
		all.Go(func() {
			var err error
			if js[i], made[i], err = jobs.StartErase(t.Context(), u); err != nil {
				t.Errorf("start: %v", err)
			}
		})
	}
	all.Wait()
	j := js[0]
	first := 0
	for i := range at {
		if made[i] {
			first++
		}
		if js[i].ID != j.ID {
			t.Errorf("twenty calls start %d and %d", j.ID, js[i].ID)
		}
	}
	if first != 1 || j.ID == 0 || j.User != u || j.State != chat.JobWaiting || j.Kind != chat.JobErase || !j.FinishedAt.IsZero() {
		t.Fatalf("%d calls made %+v", first, j)
	}
	has, err := s.Accounts.User(t.Context(), u)
	if ok(t, err); has.Status != chat.Disabled || has.Nickname != chat.ErasedName || has.Username != chat.ErasedUsername(u) {
		t.Errorf("the shell is %+v", has)
	}
	x := "x"
	_, err = s.Accounts.UpdateUser(t.Context(), u, chat.UserPatch{Nickname: &x})
	fails(t, err, chat.Conflict)
	open := func() bool {
		t.Helper()
		all, err := jobs.OpenJobs(t.Context(), 1000)
		ok(t, err)
		return slices.ContainsFunc(all, func(x chat.Job) bool { return x.ID == j.ID })
	}
	ok(t, jobs.JobFailed(t.Context(), j.ID, "unavailable"))
	if now, err := jobs.Job(t.Context(), j.ID); err != nil || now.Error != "unavailable" || !open() {
		t.Errorf("failed: %+v, open %v, %v", now, open(), err)
	}
	for range 1000 {
		if now, _, err := jobs.StepJob(t.Context(), j.ID, 10); err != nil {
			t.Fatal(err)
		} else if j = now; j.State == chat.JobDone {
			break
		}
	}
	ok(t, jobs.JobFailed(t.Context(), j.ID, "too late"))
	if now, err := jobs.Job(t.Context(), j.ID); err != nil || now.State != chat.JobDone || now.Error != "" || now.FinishedAt.IsZero() || open() {
		t.Errorf("done: %+v, open %v, %v", now, open(), err)
	}
	if again, isNew, err := jobs.StartErase(t.Context(), u); err != nil || isNew || again.ID != j.ID || again.State != chat.JobDone {
		t.Errorf("again: %+v %v %v", again, isNew, err)
	}
	_, _, err = jobs.StartErase(t.Context(), chat.MaxID)
	fails(t, err, chat.NotFound)
	_, err = jobs.Job(t.Context(), chat.MaxID)
	fails(t, err, chat.NotFound)
	_, _, err = jobs.StepJob(t.Context(), chat.MaxID, 1)
	fails(t, err, chat.NotFound)
}

// forgotten: of a message with very many reactions the recall shows none at once, and what it leaves is deleted in steps, to the end. Of one
// with as many as a recall takes itself nothing is left.
func forgotten(t *testing.T, s storetest.Subject, jobs Jobs) {
	u := people(t, s, 1)[0]
	m, err := s.Rooms.CreateRoom(t.Context(), chat.NewRoom{Name: "Hall", Owner: u})
	ok(t, err)
	for i, reactions := range []int{chat.RecalledAtOnce, chat.RecalledAtOnce + 60, chat.RecalledAtOnce + 40} {
		sent, err := s.Messages.Post(t.Context(), chat.Send{Room: m.Room.ID, Sender: u, ClientMsgID: fmt.Sprint(i), Content: "x"}, time.Now())
		if ok(t, err); sent.Err != nil {
			t.Fatal(sent.Err)
		}
		react(t, s, sent.Message, reactions)
		recall := chat.Change{Room: m.Room.ID, Seq: sent.Message.Seq, User: u, ID: fmt.Sprint("recall", i), Kind: chat.ChangeRecall}
		if i < 2 {
			change(t, s, recall)
		} else if done, err := s.Changes.PostChange(t.Context(), recall, time.Now()); err != nil || done.Err != nil {
			t.Fatal(err, done.Err)
		}
		own, err := s.Views.MyReactions(t.Context(), m.Room.ID, u, 0, chat.MaxID)
		if ok(t, err); len(own) > 0 {
			t.Errorf("after the recall there is %v", own)
		}
	}
	for _, want := range []int{30, 30, 0, 30, 10} {
		n, more, err := jobs.ForgetReactions(t.Context(), 30)
		if ok(t, err); n != want || !more {
			t.Errorf("a step deletes %d, more %v; want %d", n, more, want)
		}
	}
	if n, more, err := jobs.ForgetReactions(t.Context(), 30); err != nil || n != 0 || more {
		t.Errorf("at the end %d, more %v, %v", n, more, err)
	}
}

// react has so many react to a message, by its author first; the others need not be there.
func react(t *testing.T, s storetest.Subject, m chat.Message, n int) {
	t.Helper()
	crowd := make([]chat.Change, n)
	for i := range crowd {
		crowd[i] = chat.Change{
			Room: m.Room, Seq: m.Seq, User: chat.UserID(1_000_000 + i), ID: fmt.Sprint(m.Seq, ".", i), Kind: chat.ChangeReaction, Key: "+", On: true, App: true,
		}
	}
	crowd[0].User = m.Sender
	for part := range slices.Chunk(crowd, 100) {
		change(t, s, part...)
	}
}

// change carries changes out.
func change(t *testing.T, s storetest.Subject, cs ...chat.Change) {
	t.Helper()
	done, _, err := s.Changes.Apply(t.Context(), cs, time.Now())
	ok(t, err)
	for _, d := range done {
		if d.Err != nil {
			t.Fatal(d.Err)
		}
	}
}
