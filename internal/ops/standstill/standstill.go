// Package standstill does what can only be done while no process of an installation runs: changing the number of partitions, and restoring
// a backup. It waits until nothing runs, says what is still in the way and what to do, and keeps processes from starting meanwhile: while it
// works, the database records no number of partitions that a process is configured for. Each command can be run again after it was
// interrupted, at whatever step.
package standstill

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chat-service/internal/broker"
	"chat-service/internal/broker/queues"
	"chat-service/internal/ops/spread"
	"chat-service/internal/state"
	"chat-service/internal/store"
	"chat-service/internal/store/operator"
)

const (
	// lookEvery is the pause between two looks at what is in the way.
	lookEvery = 500 * time.Millisecond
	// settle is how long the database may take to forget connections of this program's own.
	settle = 5 * time.Second
)

// Site is an installation, opened for such a command.
type Site struct {
	Console *operator.Server
	Broker  broker.Options
	Cache   *state.State
	// Store opens the database for work, with a number of partitions. It isn't open while the site is looked at: its connections would be
	// somebody's.
	Store func(partitions int) (*store.Store, error)
	// Say tells the operator what happens, and what to do.
	Say func(format string, args ...any)
	// Wait is how long to wait for the processes to be stopped.
	Wait time.Duration
	// AnySession takes connections of others to the database for harmless.
	AnySession bool

	// step is called before each step: tests interrupt there.
	step func(name string) error
}

func (s *Site) begin(name string) error {
	if s.step == nil {
		return nil
	}
	return s.step(name)
}

// ErrBusy means that something is in the way.
var ErrBusy = errors.New("nothing was changed")

// await returns when nothing runs, and, if drained, nothing waits to be processed. Otherwise it says what is in the way whenever that
// changes, and gives up after wait.
func (s *Site) await(ctx context.Context, wait time.Duration, partitions int, drained bool) error {
	end, said := time.Now().Add(wait), ""
	for {
		why, err := s.obstacle(ctx, partitions, drained)
		if err != nil {
			return err
		}
		if why == "" {
			return nil
		}
		if !time.Now().Before(end) {
			return fmt.Errorf("%w: %s", ErrBusy, why)
		}
		if kind, _, _ := strings.Cut(why, ":"); kind != said {
			said = kind
			s.Say("waiting: %s", why)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", ctx.Err(), why)
		case <-time.After(lookEvery):
		}
	}
}

// obstacle is what is in the way first, with what to do; "" if nothing is. What follows a colon may change while the rest stays.
func (s *Site) obstacle(ctx context.Context, partitions int, drained bool) (string, error) {
	gateways, _, err := s.Cache.Leases(ctx)
	if err != nil {
		return "", fmt.Errorf("whether gateways run only Redis knows, and it is to be emptied: %w", err)
	}
	if len(gateways) > 0 {
		return fmt.Sprintf("stop the gateways, and the apis (killed ones count as running for 15 s more): %d gateways run (%v)", len(gateways), gateways), nil
	}
	workers, err := s.Console.Workers(ctx, spread.DeadAfter.Microseconds())
	if err != nil {
		return "", err
	}
	o := s.Broker
	o.Partitions = partitions
	all, err := queues.Look(ctx, o)
	if err != nil {
		return "", fmt.Errorf("the inbound queues can't be looked at: %w", err)
	}
	messages, consumers := 0, 0
	for _, q := range all {
		messages, consumers = messages+q.Messages, consumers+q.Consumers
	}
	announcements := int64(0)
	if drained {
		if announcements, _, err = s.Console.Backlog(ctx); err != nil {
			return "", err
		}
	}
	switch left := int64(messages) + announcements; {
	case drained && left > 0 && workers > 0:
		return fmt.Sprintf("leave the workers running, they process what is left: %d batches of commands, %d announcements", messages, announcements), nil
	case drained && left > 0:
		return fmt.Sprintf("start the workers again, with %d partitions, to process what is left: %d batches of commands, %d announcements", partitions, messages, announcements), nil
	case workers > 0:
		return fmt.Sprintf("stop the workers: %d run", workers), nil
	case consumers > 0:
		return fmt.Sprintf("stop the workers that still consume: %d consumers", consumers), nil
	}
	return s.sessions(ctx)
}

// sessions looks who else is connected to the database: an api is seen by nothing else.
func (s *Site) sessions(ctx context.Context) (string, error) {
	if s.AnySession {
		return "", nil
	}
	list, all, err := s.Console.Sessions(ctx)
	if err != nil || len(list) == 0 {
		if !all && err == nil {
			s.Say("note: whether an api runs can't be seen, because the database's user lacks the right PROCESS: all of them must be stopped")
		}
		return "", err
	}
	return fmt.Sprintf("stop the apis, and whoever else is connected to the database (--any-session: they are harmless): %d connections, such as %s from %s",
		len(list), list[0].User, list[0].From), nil
}

// rate bounds how often progress is said.
type rate struct{ last time.Time }

func (r *rate) due() bool {
	if now := time.Now(); now.Sub(r.last) > time.Second {
		r.last = now
		return true
	}
	return false
}
