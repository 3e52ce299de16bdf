package catchup

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/deliver"
	"chat-service/internal/worker/line"
)

const (
	stations   = 2   // a user belongs to one
	queue      = 256 // syncs that wait at one; more are refused
	pointsMax  = 256 // rooms looked up together at most
	crowdPause = 50 * time.Millisecond
)

// Options are what the syncs need. All must be set, but for MaxRooms and Bounds.
type Options struct {
	MaxRooms  int // in one sync; 0: no limit
	Bounds    Bounds
	Line      *line.Line
	Publisher *deliver.Publisher
	Log       Log
}

// Catchup answers syncs. Use New; Run and InHand are the stations'.
type Catchup struct {
	o Options
	line.Stations[line.Job]
}

// New makes the stations where syncs wait for each other, except for one that comes alone; Run sets them to work.
func New(o Options) *Catchup {
	c := &Catchup{o: o}
	c.Stations = line.NewStations(o.Line, stations, line.StationOptions[line.Job]{
		Queue: queue, Max: pointsMax, Job: func(j *line.Job) *line.Job { return j }, Handle: c.sync,
		Count:  func(j *line.Job) int { return max(len(j.Cmd.Points), 1) },
		Linger: func(_ time.Duration, jobs int) time.Duration { return crowdPause * time.Duration(min(jobs-1, 1)) },
	})
	return c
}

// Sync takes a client's sync. It doesn't wait: when too many are being answered, the client is asked to come again, because whoever
// wants much must not keep others' messages waiting behind it.
func (c *Catchup) Sync(ctx context.Context, j line.Job) {
	if c.Of(uint64(j.Cmd.User)).Offer(j) {
		return
	}
	out := deliver.NewParcels()
	c.o.Line.Refuse(&j, &chat.Error{Kind: chat.Unavailable, Msg: "too many clients catch up just now; ask again", RetryAfter: time.Second}, out)
	out.Answers(j.Ticket)
	c.o.Publisher.Publish(ctx, out)
}

// sync answers the first of jobs, as many as go together.
func (c *Catchup) sync(ctx context.Context, jobs []line.Job, out *deliver.Parcels) int {
	if !c.allowed(&jobs[0]) {
		c.o.Line.Refuse(&jobs[0], chat.BadField("rooms", "at most %d rooms at a time", c.o.MaxRooms), out)
		return 1
	}
	var cmds []*envelope.Command
	for i := 0; i < len(jobs) && c.allowed(&jobs[i]); i++ {
		cmds = append(cmds, &jobs[i].Cmd)
	}
	var last *envelope.Command
	n, err := Answer(ctx, c.o.Log, c.o.Bounds, cmds, func(cmd *envelope.Command, f Frame) {
		if cmd != last { // a part that comes late, or never, must not be followed by a word that all is there
			last = cmd
			out.Whole()
		}
		out.ToGateway(cmd.Gateway, &envelope.Delivery{
			Kind: envelope.ToSocket, Gateway: cmd.Gateway, Socket: cmd.Socket,
			Frame: f.Text, Room: f.Room, Epoch: f.Epoch, Seq: f.UpTo, AtSeq: f.Shows,
		})
	})
	for i := 0; i < n && err != nil; i++ {
		c.o.Line.RefuseFailed(ctx, &jobs[i], err, out)
	}
	return n
}

func (c *Catchup) allowed(j *line.Job) bool {
	return c.o.MaxRooms <= 0 || len(j.Cmd.Points) <= c.o.MaxRooms
}
