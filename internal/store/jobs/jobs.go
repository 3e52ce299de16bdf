// Package jobs keeps the work that takes longer than a call, and does it in steps. A step is one transaction that holds its job's row, does
// something and writes where the next one goes on: two workers at once do two steps, one after the other, and a killed one leaves a whole
// number of steps. What a job does in rooms is package changes', what it does to accounts package accounts'.
package jobs

import (
	"cmp"
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/store/accounts"
	"chat-service/internal/store/changes"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// maxError is the length of jobs.error in characters.
const maxError = 190

// walkRooms is how many rooms one look for traces of a user passes at most.
const walkRooms = 1000

// Store reads and writes the table jobs.
type Store struct {
	d        *db.DB
	accounts *accounts.Store
	changes  *changes.Store
}

// New opens the store over d.
func New(d *db.DB) *Store { return &Store{d, accounts.New(d), changes.New(d)} }

// StartErase shuts and empties a user's account, and leaves a job that takes what they wrote. Of a user who was erased, or is about to be,
// it returns that job; made says which. NotFound.
func (s *Store) StartErase(ctx context.Context, user chat.UserID) (j chat.Job, made bool, err error) {
	err = s.d.Tx(ctx, "start erase", db.Repeatable, func(tx db.Tx) error {
		j, made = chat.Job{}, false
		again, err := s.accounts.Empty(tx, user) // it locks the user: calls at the same moment wait here
		if err != nil {
			return err
		}
		if again {
			have, err := table.Jobs.Find(tx.Where("subject = ? AND kind = ?", user, chat.JobErase).Order("id DESC").Limit(1))
			if err != nil {
				return err
			}
			if len(have) > 0 {
				j = have[0]
				return nil
			}
		}
		now := s.d.Now()
		j, made = chat.Job{Kind: chat.JobErase, User: user, State: chat.JobWaiting, CreatedAt: now, ChangedAt: now}, true
		id, err := table.Jobs.Create(tx.DB, &j)
		j.ID = chat.JobID(id)
		return err
	})
	return j, made, err
}

// Job returns a job. NotFound.
func (s *Store) Job(ctx context.Context, id chat.JobID) (chat.Job, error) {
	var found []chat.Job
	err := s.d.Retry(ctx, "read job", func(tx db.Tx) (err error) {
		found, err = table.Jobs.Find(tx.Where("id = ?", id))
		return err
	})
	if err == nil && len(found) == 0 {
		err = noJob()
	}
	if err != nil {
		return chat.Job{}, err
	}
	return found[0], nil
}

func noJob() error { return chat.E(chat.NotFound, "no such job") }

// OpenJobs lists jobs that aren't done, those first that have waited longest for their next step.
func (s *Store) OpenJobs(ctx context.Context, limit int) (js []chat.Job, err error) {
	err = s.d.Retry(ctx, "list open jobs", func(tx db.Tx) error {
		js, err = table.Jobs.Find(tx.Where("state IN ?", []chat.JobState{chat.JobWaiting, chat.JobRunning}).Order("changed_at, id").Limit(limit))
		return err
	})
	return js, err
}

// StepJob does the next step of a job, at most so many messages of it, and returns the job as it stands then; told is how many changes
// clients are told of. A job that is done stays so.
func (s *Store) StepJob(ctx context.Context, id chat.JobID, atOnce int) (j chat.Job, told int, err error) {
	err = s.d.Tx(ctx, "step job", db.Repeatable, func(tx db.Tx) error {
		var q db.Statement
		q.Add("SELECT "+table.Jobs.Select()+" FROM "+table.Jobs.From()+" WHERE j.id = ? FOR UPDATE", id)
		rows, err := db.Collect(tx, &q, table.Jobs.Cells)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return noJob()
		}
		if j, told = rows[0], 0; j.State == chat.JobDone {
			return nil
		}
		if j, told, err = s.step(tx, j, atOnce); err != nil {
			return err
		}
		j.ChangedAt, j.Error = s.d.Now(), ""
		return tx.Table("jobs").Where("id = ?", id).Updates(table.Jobs.Without("id", "kind", "subject", "created_at").Map(&j)).Error
	})
	return j, told, err
}

// step is one step of an erasure: a piece of work in a room, the way to the next room, or the end.
func (s *Store) step(tx db.Tx, j chat.Job, atOnce int) (chat.Job, int, error) {
	j.State = chat.JobRunning
	if j.Step != "" {
		return s.changes.Erase(tx, j, atOnce, s.d.Now())
	}
	var last []chat.RoomID
	if err := tx.Raw("SELECT MAX(id) FROM rooms HAVING MAX(id) IS NOT NULL").Scan(&last).Error; err != nil {
		return j, 0, err
	}
	if len(last) == 0 || j.Room >= last[0] {
		j.State, j.FinishedAt = chat.JobDone, s.d.Now()
		return j, 0, s.accounts.Forget(tx, j.User)
	}
	upTo := min(j.Room+walkRooms, last[0])
	room, err := s.changes.Traces(tx, j.User, j.Room, upTo)
	if room != 0 {
		j.Step = chat.EraseMessages
	}
	j.Room = cmp.Or(room, upTo)
	return j, 0, err
}

// ForgetReactions deletes at most so many reactions that recalls left behind, and returns how many; more: there may be others.
func (s *Store) ForgetReactions(ctx context.Context, atOnce int) (n int, more bool, err error) {
	return s.changes.ForgetReactions(ctx, atOnce)
}

// JobFailed notes why a step failed. The job stays open: the next step may succeed.
func (s *Store) JobFailed(ctx context.Context, id chat.JobID, why string) error {
	j := chat.Job{ChangedAt: s.d.Now(), Error: table.Clip(why, maxError)}
	return s.d.Retry(ctx, "note a failed step", func(tx db.Tx) error {
		return tx.Table("jobs").Where("id = ? AND finished_at IS NULL", id).Updates(table.Jobs.Only("changed_at", "error").Map(&j)).Error
	})
}
