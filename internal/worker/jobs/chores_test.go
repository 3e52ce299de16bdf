package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
)

// bench is a table of jobs, each of which takes so many steps; it notes what is asked of it.
type bench struct {
	open   []chat.Job
	steps  map[chat.JobID]int // left
	told   int                // by each step
	broken map[chat.JobID]error
	left   int // reactions that recalls left behind
	asked  []string
	now    time.Time
}

func (b *bench) OpenJobs(context.Context, int) ([]chat.Job, error) {
	b.asked = append(b.asked, "look")
	var open []chat.Job
	for _, j := range b.open {
		if b.steps[j.ID] > 0 {
			open = append(open, j)
		}
	}
	return open, b.broken[0]
}

func (b *bench) StepJob(_ context.Context, id chat.JobID, _ int) (j chat.Job, told int, err error) {
	b.asked = append(b.asked, fmt.Sprint("step ", id))
	if err := b.broken[id]; err != nil {
		return j, 0, err
	}
	j = chat.Job{ID: id, State: chat.JobRunning}
	if b.steps[id]--; b.steps[id] == 0 {
		j.State = chat.JobDone
	}
	return j, b.told, nil
}

func (b *bench) ForgetReactions(_ context.Context, atOnce int) (n int, more bool, err error) {
	b.asked = append(b.asked, fmt.Sprint("forget ", atOnce))
	if err := b.broken[0]; err != nil {
		return 0, false, err
	}
	n, more = min(atOnce, b.left), b.left > 0
	b.left -= n
	return n, more, nil
}

func (b *bench) JobFailed(_ context.Context, id chat.JobID, why string) error {
	b.asked = append(b.asked, fmt.Sprint("failed ", id, " ", why))
	for i := range b.open {
		if b.open[i].ID == id {
			b.open[i].Error, b.open[i].ChangedAt = why, b.now
		}
	}
	return nil
}

// at runs n calls, and returns what was asked of the bench.
func (b *bench) at(f *Fleet, n int) string {
	b.asked = nil
	for range n {
		f.DoChores(context.Background())
	}
	return strings.Join(b.asked, ", ")
}

func chores(jobs map[chat.JobID]int, told int) (*bench, *Fleet) {
	b := &bench{steps: jobs, told: told, broken: map[chat.JobID]error{}, now: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)}
	for id := range chat.JobID(len(jobs)) {
		b.open = append(b.open, chat.Job{ID: id + 1, State: chat.JobWaiting})
	}
	f := NewFleet(Options{Chores: b, Now: func() time.Time { return b.now }, Logger: slog.New(slog.DiscardHandler)})
	f.leader.Store(true)
	return b, f
}

// TestChoresAreSteps: a step that clients are told of is the only one of its job at a call; silent ones follow each other, within a bound.
func TestChoresAreSteps(t *testing.T) {
	b, f := chores(map[chat.JobID]int{1: 2, 2: 1}, 5)
	if got := b.at(f, 3); got != "look, step 1, step 2, look, step 1, look" {
		t.Errorf("it asks %s", got)
	}
	if got := b.at(f, choreRests+1); got != "look" {
		t.Errorf("without jobs it asks %s", got)
	}
	b, f = chores(map[chat.JobID]int{1: choreSilent + 5}, 0)
	if got := b.at(f, 1); strings.Count(got, "step 1") != choreSilent {
		t.Errorf("it asks %s", got)
	}
	if got := b.at(f, 1); strings.Count(got, "step 1") != 5 {
		t.Errorf("it goes on with %s", got)
	}
}

// TestOnlyTheFirstWorkerDoesChores: others do nothing, whatever there is.
func TestOnlyTheFirstWorkerDoesChores(t *testing.T) {
	b, f := chores(map[chat.JobID]int{1: 1}, 1)
	f.leader.Store(false)
	if got := b.at(f, 5); got != "" {
		t.Errorf("it asks %s", got)
	}
}

// TestAFailedStepWaits: it is noted and tried again later; the other jobs go on.
func TestAFailedStepWaits(t *testing.T) {
	b, f := chores(map[chat.JobID]int{1: 1, 2: 3}, 1)
	b.broken[1] = chat.E(chat.Unavailable, "")
	if got := b.at(f, 2); got != "look, step 1, failed 1 unavailable, step 2, look, step 2" {
		t.Errorf("it asks %s", got)
	}
	b.now = b.now.Add(chorePause)
	delete(b.broken, 1)
	if got := b.at(f, 1); got != "look, step 1, step 2" {
		t.Errorf("later it asks %s", got)
	}
	b.broken[0] = errors.New("no server")
	if got := b.at(f, 1); got != "look" {
		t.Errorf("without a server it asks %s", got)
	}
}

// TestReactionsAreForgottenInSteps: the first worker deletes what recalls left, so much at a call; a failure, or the end, ends the call.
func TestReactionsAreForgottenInSteps(t *testing.T) {
	b, f := chores(nil, 0)
	call := func() int {
		b.asked = nil
		f.ForgetReactions(t.Context())
		return len(b.asked)
	}
	if b.left = 2500; call() != 4 || b.left != 0 {
		t.Errorf("it asks %v, %d are left", b.asked, b.left)
	}
	if call() != 1 {
		t.Errorf("with nothing to do it asks %v", b.asked)
	}
	b.left = (reactionSteps + 3) * reactionRows
	if call() != reactionSteps || b.left != 3*reactionRows {
		t.Errorf("it asks %v, %d are left", b.asked, b.left)
	}
	b.broken[0] = errors.New("no server")
	if call() != 1 || b.left != 3*reactionRows {
		t.Errorf("without a server it asks %v", b.asked)
	}
	delete(b.broken, 0)
	f.leader.Store(false)
	if call() != 0 {
		t.Errorf("another worker asks %v", b.asked)
	}
}
