package jobs

import (
	"context"
	"time"

	"chat-service/internal/chat"
)

// Workers keeps the list of live workers: MySQL.
type Workers interface {
	Beat(ctx context.Context, w chat.LiveWorker) error
	Workers(ctx context.Context, deadAfter time.Duration) ([]chat.LiveWorker, error)
	Retire(ctx context.Context, boot string) error
	// Sweep deletes up to limit rows of sessions that ended before a time, and returns how many.
	Sweep(ctx context.Context, before time.Time, limit int) (int64, error)
	// Burden is for how long the oldest announcement has waited in the outbox, and how many commands were set aside.
	Burden(ctx context.Context) (waits time.Duration, dead int64, err error)
	// IndexNames makes up to limit public rooms above after findable whose names an earlier release wrote, and returns where to go on, 0
	// at the end.
	IndexNames(ctx context.Context, after chat.RoomID, limit int) (next chat.RoomID, indexed int, err error)
}

// Chores are work that takes longer than a call, in steps that MySQL keeps.
type Chores interface {
	// OpenJobs lists jobs that aren't done, those first that have waited longest.
	OpenJobs(ctx context.Context, limit int) ([]chat.Job, error)
	// StepJob does the next step of a job, at most so many messages of it; told is how many changes clients are told of.
	StepJob(ctx context.Context, id chat.JobID, atOnce int) (j chat.Job, told int, err error)
	// JobFailed notes why a step failed.
	JobFailed(ctx context.Context, id chat.JobID, why string) error
	// ForgetReactions deletes at most so many reactions that recalls left behind, and returns how many; more: there may be others.
	ForgetReactions(ctx context.Context, atOnce int) (n int, more bool, err error)
}

// Partitions are the inbound queues of this process.
type Partitions interface {
	// Set makes exactly the given partitions consumed, those stood by for a moment later than the owned ones; released ones are closed
	// when it returns.
	Set(owned, standby []int)
	// Active reports whether deliveries of a partition come to this process.
	Active(partition int) bool
	// Yield gives a partition that is stood by for back to its owner.
	Yield(partition int)
	// Able returns nil while this process can consume the partitions that it is given and publish what follows; else why not.
	Able() error
	// Up is since when the process has been able to receive from the broker; zero while it can't.
	Up() time.Time
}

// Line commits and announces what belongs to the partitions that this worker owns.
type Line interface {
	Own(partitions []int)
	// Reload has the owned partitions read anew: another worker may have acted for this one.
	Reload()
}
