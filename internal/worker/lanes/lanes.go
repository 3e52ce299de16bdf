package lanes

import (
	"context"
	"log/slog"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/deliver"
	"chat-service/internal/worker/line"
)

// Options are what the lanes need. All must be set.
type Options struct {
	Lanes    int // goroutines; a user belongs to one
	Line     *line.Line
	Log      Log
	Places   Places
	Presence Presence

	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *line.Metrics
}

// Verb answers a command in out, or returns why it can't be done.
type Verb func(ctx context.Context, cmd *envelope.Command, out *deliver.Parcels) error

// Lanes are the lanes of one worker. Use New; Run and InHand are the stations'.
type Lanes struct {
	o       Options
	members *members
	typists typists
	line.Stations[errand]
}

// errand is a command and what answers it.
type errand struct {
	job  line.Job
	verb Verb
}

const queue = 256 // errands that wait at a lane; more hold up the consumer

// New makes lanes; Run sets them to work.
func New(o Options) *Lanes {
	l := &Lanes{o: o, members: newMembers(o.Log, o.Now)}
	l.Stations = line.NewStations(o.Line, o.Lanes, line.StationOptions[errand]{
		Queue: queue, Max: 1, Job: func(e *errand) *line.Job { return &e.job }, Handle: l.handle,
	})
	return l
}

// Add takes a user's command. It blocks while the user's lane is full.
func (l *Lanes) Add(ctx context.Context, j line.Job, verb Verb) {
	l.Of(uint64(j.Cmd.User)).Add(ctx, errand{j, verb})
}

func (l *Lanes) handle(ctx context.Context, es []errand, out *deliver.Parcels) int {
	e := &es[0]
	if err := e.verb(ctx, &e.job.Cmd, out); err != nil {
		l.o.Line.RefuseFailed(ctx, &e.job, err, out)
	}
	return 1
}

// Left forgets that a user was a member of a room.
func (l *Lanes) Left(room chat.RoomID, user chat.UserID) { l.members.forget(room, user) }
