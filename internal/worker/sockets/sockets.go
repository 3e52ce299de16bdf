package sockets

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
	"chat-service/internal/worker/line"
)

// Options are what the registry needs and how it is tuned. All must be set, but for OfflineGrace, MaxSockets and UserSockets.
type Options struct {
	Partitions   int           // of the installation
	Lease        time.Duration // of a gateway
	OfflineGrace time.Duration // how long a user without sockets counts as online
	Patience     time.Duration // deadline of one attempt
	MaxSockets   int           // of one login session; 0: no limit
	UserSockets  int           // of one user; 0: no limit
	PingInterval time.Duration // as welcome says
	Limits       protocol.Limits

	Life       context.Context // ends when what is in hand must be abandoned
	Line       *line.Line
	Publisher  *deliver.Publisher
	Accounts   Accounts
	Registry   Registry
	Leases     Leases
	Fleet      Fleet
	Heartbeats Heartbeats
	Shown      func(users []chat.UserID, online bool) // is told who was shown as online or offline; must not block

	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *Metrics
}

// Sockets registers sockets and watches the gateways. Use New.
type Sockets struct {
	o       Options
	station *line.Station[passage]
	ended   retrySet[chat.Socket] // not taken out of the registry yet
	unseen  retrySet[chat.UserID] // users whose sockets could not be registered: nobody has been shown that they came
	graces  graces

	reassert   atomic.Bool // sockets may be missing in Redis: ask for them when it is back
	redis      outage
	generation string // of what Redis holds, as last seen; empty: not yet

	second sync.WaitGroup // passages that wait for their second look
}

// passage is a socket that comes or goes.
type passage struct {
	job    line.Job
	leaves bool
	quiet  bool // comes only to be registered: it was welcomed long ago
	looks  int  // how often it was too many for its login session or user
}

const (
	queue       = 1024 // passages that wait; more hold up the consumer
	passagesMax = 128  // handled together at most
)

// New makes the registry's station; Run sets it to work.
func New(o Options) *Sockets {
	s := &Sockets{o: o}
	s.station = line.NewStation(o.Line, line.StationOptions[passage]{
		Queue: queue, Max: passagesMax, Job: func(p *passage) *line.Job { return &p.job }, Handle: s.pass,
		// Whoever comes waits once, and a crowd shall come in few steps.
		Linger: func(took time.Duration, _ int) time.Duration { return 2 * line.Linger(took) },
	})
	return s
}

// Run handles sockets that come and go until ctx ends.
func (s *Sockets) Run(ctx context.Context) {
	s.station.Run(ctx)
	s.second.Wait()
}

// InHand is how many sockets are coming or going.
func (s *Sockets) InHand() int64 { return line.Stations[passage]{s.station}.InHand() }

// Connect takes a socket that opened. It blocks while the station is full, as the others do.
func (s *Sockets) Connect(ctx context.Context, j line.Job) { s.station.Add(ctx, passage{job: j}) }

// Assert takes a socket that is open, reported again after Redis lost its data.
func (s *Sockets) Assert(ctx context.Context, j line.Job) {
	s.station.Add(ctx, passage{job: j, quiet: true})
}

// Disconnect takes a socket that ended.
func (s *Sockets) Disconnect(ctx context.Context, j line.Job) {
	s.station.Add(ctx, passage{job: j, leaves: true})
}

// pass first takes out the sockets that had come before, then lets in, then takes out those that came only now.
func (s *Sockets) pass(ctx context.Context, ps []passage, out *deliver.Parcels) int {
	type place struct {
		gateway chat.GatewayID
		socket  chat.SocketID
	}
	came := map[place]bool{}
	var in []*passage
	for i := range ps {
		if c := &ps[i].job.Cmd; !ps[i].leaves {
			came[place{c.Gateway, c.Socket}] = true
			in = append(in, &ps[i])
		}
	}
	var before, after []chat.Socket
	for i := range ps {
		c := &ps[i].job.Cmd
		switch x := (chat.Socket{User: c.User, Gateway: c.Gateway, Socket: c.Socket}); {
		case !ps[i].leaves:
		case came[place{c.Gateway, c.Socket}]:
			after = append(after, x)
		default:
			before = append(before, x)
		}
	}
	s.letGo(ctx, before)
	s.letIn(ctx, in, out)
	s.letGo(ctx, after)
	return len(ps)
}

const (
	// secondLook is how long the end of a login session's socket may be behind another one's connect, which comes by another partition.
	secondLook = 500 * time.Millisecond
	// thirdLook is how long gateways take to find out which sockets of a login session still live, and to report the end of the others:
	// 1.5 s for the client's answer, the gateway's tick, and the way to the worker. No worker waits for the answers themselves: each would
	// come by the partition of its socket, to another worker mostly.
	thirdLook = 2 * time.Second
)

// lookAgain brings a passage back after a while; its ticket, which this step settles, is settled then.
func (s *Sockets) lookAgain(p passage, after time.Duration) {
	p.looks++
	p.job.Ticket.Hold()
	s.second.Go(func() {
		select {
		case <-s.o.Life.Done():
		case <-time.After(after):
			s.station.Add(s.o.Life, p)
		}
	})
}
