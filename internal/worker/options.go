package worker

import (
	"errors"
	"log/slog"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/catchup"
	"chat-service/internal/worker/deliver"
	"chat-service/internal/worker/jobs"
	"chat-service/internal/worker/lanes"
	"chat-service/internal/worker/line"
	"chat-service/internal/worker/sockets"
	"chat-service/internal/worker/webhooks"
)

// Options are what a Worker needs and how it is tuned. Each package declares the ports that it needs.
type Options struct {
	Boot       string // names this process among the workers; new at every start
	Partitions int    // of the installation
	Logger     *slog.Logger
	Metrics    *Metrics
	Now        func() time.Time // the clock of everything here: time.Now

	// MySQL.
	Log      line.Log
	Changes  line.Changes
	Outbox   line.Outbox
	Members  lanes.Log
	Accounts sockets.Accounts
	History  catchup.Log
	Workers  jobs.Workers
	Chores   jobs.Chores

	// Webhooks are what they need and how they are tuned; the worker adds what it has itself. nil: no webhooks are posted.
	Webhooks *webhooks.Options

	// Redis.
	Routes     line.Routes
	Allowances line.Allowances
	Calls      line.Calls
	Presence   lanes.Presence
	Registry   sockets.Registry
	Leases     sockets.Leases

	// RabbitMQ.
	Bus     deliver.Bus
	Consume jobs.Partitions

	Committers   int           // goroutines that commit; a partition belongs to one
	Lanes        int           // goroutines that answer reads; a user belongs to one
	BatchRecords int           // commands in one transaction at most
	Beat         time.Duration // of this worker in the fleet
	DeadAfter    time.Duration // silence after which a worker is dead
	OutboxPoll   time.Duration // pause between looks at the outbox while calls can't be received
	OutboxIdle   time.Duration // the same while they can
	DigestEvery  time.Duration
	Lease        time.Duration // of a gateway
	OfflineGrace time.Duration // how long a user without sockets counts as online
	GiveUp       time.Duration // how long a write is tried again before its sender gets an error
	Patience     time.Duration // deadline of one attempt

	MaxSockets    int // of one login session
	MaxSyncRooms  int
	PingInterval  time.Duration // as welcome says
	Limits        chat.Limits
	ProtocolLimit protocol.Limits
	PeerReads     int // rooms of up to so many members show reads to peers
}

// Defaults fills what is zero, but for limits and OfflineGrace: there zero means off.
func (o *Options) Defaults() {
	d := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	n := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	n(&o.Committers, 1)
	n(&o.Lanes, 16)
	n(&o.BatchRecords, 256)
	d(&o.Beat, time.Second)
	d(&o.DeadAfter, 3*time.Second)
	d(&o.OutboxPoll, 50*time.Millisecond)
	d(&o.OutboxIdle, 500*time.Millisecond)
	d(&o.DigestEvery, 10*time.Second)
	d(&o.Lease, 15*time.Second)
	d(&o.GiveUp, 800*time.Millisecond)
	d(&o.Patience, 3*time.Second)
	d(&o.PingInterval, 25*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Validate reports everything that is missing or out of range.
func (o *Options) Validate() error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New("worker: "+what))
		}
	}
	need(o.Boot != "", "Boot is empty")
	need(o.Partitions > 0, "Partitions must be at least 1")
	need(o.Committers > 0 && o.Lanes > 0 && o.BatchRecords > 0, "Committers, Lanes and BatchRecords must be at least 1")
	need(o.DeadAfter > o.Beat, "DeadAfter must exceed Beat")
	need(o.Log != nil && o.Changes != nil && o.Outbox != nil && o.Members != nil && o.Accounts != nil && o.History != nil && o.Workers != nil && o.Chores != nil, "a store port is missing")
	need(o.Routes != nil && o.Allowances != nil && o.Calls != nil && o.Presence != nil && o.Registry != nil && o.Leases != nil, "a state port is missing")
	need(o.Bus != nil && o.Consume != nil, "a broker port is missing")
	need(o.Metrics != nil, "Metrics is missing")
	return errors.Join(errs...)
}
