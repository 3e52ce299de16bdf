package standstill

import (
	"context"
	"errors"
	"fmt"

	"chat-service/internal/broker/queues"
	"chat-service/internal/chat"
	"chat-service/internal/store/operator"
)

// renumberAtOnce rooms get their partitions in one transaction.
const renumberAtOnce = 1000

// Resize changes the number of partitions. Everything must have been processed: what waits in a queue or in the outbox belongs to a partition
// of the old number, and a room's order is kept by one owner only.
func (s *Site) Resize(ctx context.Context, to int) error {
	was, err := s.Console.Recorded(ctx)
	switch {
	case err != nil:
		return err
	case was.Restoring:
		return was.Busy()
	case was.Partitions == 0:
		return errors.New("no process has run yet: set rabbitmq.partitions everywhere, the first process records it")
	case was.To == 0 && was.Partitions == to:
		s.Say("the installation has %d partitions already", to)
		return nil
	}
	if was.To != 0 {
		s.Say("going on with the change from %d to %d partitions", was.Partitions, was.To)
	}
	most := max(was.Partitions, was.To, to) // of these there may be queues
	if err := s.await(ctx, s.Wait, most, true); err != nil {
		return err
	}
	if err := s.begin("fence"); err != nil {
		return err
	}
	is := operator.Recorded{Partitions: max(was.Partitions, was.To), To: to}
	if err := s.Console.Record(ctx, was, is); err != nil {
		return err
	}
	// Whoever started before that is seen now.
	if why, err := s.obstacle(ctx, most, true); err != nil || why != "" {
		if err == nil {
			err = fmt.Errorf("%w: %s", ErrBusy, why)
		}
		return errors.Join(err, s.Console.Record(ctx, is, was))
	}
	s.Say("no process starts until this is done; after an interruption run the same command again")
	for _, step := range []struct {
		name string
		do   func(ctx context.Context, most, to int) error
	}{{"rooms", s.renumber}, {"queues", s.removeQueues}, {"redis", s.forget}} {
		if err := s.begin(step.name); err != nil {
			return err
		}
		if err := step.do(ctx, most, to); err != nil {
			return fmt.Errorf("%s: %w; run the same command again", step.name, err)
		}
	}
	if err := s.begin("record"); err != nil {
		return err
	}
	if err := s.await(ctx, settle, to, true); err != nil {
		return fmt.Errorf("something runs, so rooms may have the wrong partition again; run the same command again: %w", err)
	}
	if err := s.Console.Record(ctx, is, operator.Recorded{Partitions: to}); err != nil {
		return err
	}
	s.Say("done: set rabbitmq.partitions to %d for every gateway, worker and api, then start the workers, then the others", to)
	return nil
}

// renumber gives each room its partition of the new number.
func (s *Site) renumber(ctx context.Context, _, to int) (err error) {
	db, err := s.Store(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	seen, changed := 0, 0
	progress := rate{}
	for after := chat.RoomID(0); ; {
		last, n, err := db.Operator.Renumber(ctx, after, to, renumberAtOnce)
		if err != nil {
			return err
		}
		changed += n
		if last == 0 {
			s.Say("rooms: %d changed their partition", changed)
			return nil
		}
		if after, seen = last, seen+renumberAtOnce; progress.due() {
			s.Say("rooms: %d looked at, %d changed their partition", seen, changed)
		}
	}
}

// removeQueues deletes the queues that have no partition any more. Those that lack the workers declare.
func (s *Site) removeQueues(ctx context.Context, most, to int) error {
	n, err := queues.Remove(ctx, s.Broker, to, most)
	if err == nil {
		s.Say("queues: %d deleted", n)
	}
	return err
}

// forget empties Redis, where rooms and users are kept by partition.
func (s *Site) forget(ctx context.Context, _, _ int) error {
	n, err := s.Cache.Forget(ctx)
	if err == nil {
		s.Say("redis: %d keys deleted, which the workers rebuild", n)
	}
	return err
}
