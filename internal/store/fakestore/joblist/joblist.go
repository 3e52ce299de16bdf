// Package joblist is the part of the fake store that keeps jobs, and what recalls left. There is nothing to do in jobs: one step ends each.
package joblist

import (
	"context"
	"slices"
	"time"

	"chat-service/internal/chat"
)

// Host is the store that the list is part of. Begin starts a verb: it holds the store's lock until end is called.
type Host struct {
	Begin func(ctx context.Context, verb string) (end func(), err error)
	Now   func() time.Time
	// Empty shuts and empties an account; again: it was empty already.
	Empty func(user chat.UserID) (again bool, err error)
}

// List keeps jobs. Use New.
type List struct {
	host Host
	jobs []chat.Job // jobs[i] has the id i + 1
	left []int      // reactions that each recall left behind
}

// New makes an empty list.
func New(h Host) *List { return &List{host: h} }

// StartErase implements the stations' ports; see jobs.Store.
func (l *List) StartErase(ctx context.Context, user chat.UserID) (j chat.Job, made bool, err error) {
	end, err := l.host.Begin(ctx, "StartErase")
	defer end()
	if err != nil {
		return j, false, err
	}
	again, err := l.host.Empty(user)
	if err != nil {
		return j, false, err
	}
	if i := slices.IndexFunc(l.jobs, func(j chat.Job) bool { return j.User == user && j.Kind == chat.JobErase }); again && i >= 0 {
		return l.jobs[i], false, nil
	}
	now := l.host.Now()
	j = chat.Job{ID: chat.JobID(len(l.jobs) + 1), Kind: chat.JobErase, User: user, State: chat.JobWaiting, CreatedAt: now, ChangedAt: now}
	l.jobs = append(l.jobs, j)
	return j, true, nil
}

// StartExport implements the stations' ports; see jobs.Store.
func (l *List) StartExport(ctx context.Context, j chat.Job) (chat.Job, error) {
	end, err := l.host.Begin(ctx, "StartExport")
	defer end()
	if err != nil {
		return j, err
	}
	now := l.host.Now()
	j.ID, j.State, j.CreatedAt, j.ChangedAt, j.FinishedAt = chat.JobID(len(l.jobs)+1), chat.JobDone, now, now, now
	l.jobs = append(l.jobs, j)
	return j, nil
}

// Job implements the stations' ports; see jobs.Store.
func (l *List) Job(ctx context.Context, id chat.JobID) (chat.Job, error) {
	end, err := l.host.Begin(ctx, "Job")
	defer end()
	if err == nil && (id == 0 || int(id) > len(l.jobs)) {
		err = chat.E(chat.NotFound, "no such job")
	}
	if err != nil {
		return chat.Job{}, err
	}
	return l.jobs[id-1], nil
}

// OpenJobs implements the stations' ports; see jobs.Store.
func (l *List) OpenJobs(ctx context.Context, limit int) (open []chat.Job, err error) {
	end, err := l.host.Begin(ctx, "OpenJobs")
	defer end()
	for _, j := range l.jobs {
		if err == nil && j.State != chat.JobDone && len(open) < limit {
			open = append(open, j)
		}
	}
	return open, err
}

// StepJob implements the stations' ports: the first step of a job ends it.
func (l *List) StepJob(ctx context.Context, id chat.JobID, _ int) (j chat.Job, told int, err error) {
	end, err := l.host.Begin(ctx, "StepJob")
	defer end()
	if err == nil && (id == 0 || int(id) > len(l.jobs)) {
		err = chat.E(chat.NotFound, "no such job")
	}
	if err != nil {
		return j, 0, err
	}
	p := &l.jobs[id-1]
	if p.State != chat.JobDone {
		p.State, p.Error, p.ChangedAt, p.FinishedAt = chat.JobDone, "", l.host.Now(), l.host.Now()
	}
	return *p, 0, nil
}

// JobFailed implements the stations' ports; see jobs.Store.
func (l *List) JobFailed(ctx context.Context, id chat.JobID, why string) error {
	end, err := l.host.Begin(ctx, "JobFailed")
	defer end()
	if err == nil && id > 0 && int(id) <= len(l.jobs) && l.jobs[id-1].State != chat.JobDone {
		l.jobs[id-1].Error, l.jobs[id-1].ChangedAt = why, l.host.Now()
	}
	return err
}
