package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"chat-service/internal/ops/installation"
	"chat-service/internal/ops/spread"
	"chat-service/internal/store"
)

// partitionsCmd is `chatctl partitions`.
type partitionsCmd struct {
	Show partitionsShowCmd `cmd:"" default:"withargs" help:"Show the live workers and the owner of each partition (the default)."`
	Plan partitionsPlanCmd `cmd:"" help:"Show which partitions a change of workers would move; it changes nothing."`

	Resize partitionsResizeCmd `cmd:"" help:"Change the number of partitions, while everything is stopped."`
}

// partitionsShowCmd is `chatctl partitions show`.
type partitionsShowCmd struct {
	JSON bool `help:"Print JSON."`
}

// Help shows examples.
func (*partitionsShowCmd) Help() string {
	return `Shows the owner and the standby of each partition, computed from the live workers as they do it themselves, and how many consumers RabbitMQ counts for it. A warning says where an owner doesn't consume.

  chatctl partitions
  chatctl partitions show --json`
}

// Run shows the spread.
func (c *partitionsShowCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	return s.WithStore(ctx, func(ctx context.Context, in *installation.Installation, db *store.Store) error {
		have, err := partitionsOf(ctx, in, io)
		if err != nil {
			return err
		}
		sp, err := spread.Of(ctx, db, have)
		if err != nil {
			return err
		}
		if len(sp.Workers) == 0 {
			io.say("warning: no worker has been seen for %s: nothing is being processed; start one (chatctl up, or the worker binary)", spread.DeadAfter)
		}
		o, err := in.BrokerOptions()
		if err == nil {
			err = sp.Attend(ctx, o)
		}
		if err != nil {
			io.say("warning: RabbitMQ can't be asked who consumes: %v", err)
		}
		if lacks := sp.Unattended(); len(lacks) > 0 {
			io.say("warning: partitions %s have an owner and no consumer: a worker can't consume; %s", spread.Numbers(lacks), spread.DoUnattended)
		}
		if c.JSON {
			return io.printJSON(sp)
		}
		if err := io.printRows(sp.WorkerRows()); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(io.out)
		return io.printRows(sp.PartitionRows())
	})
}

// partitionsOf is the installation's number of partitions, or the configured one if no process has run.
func partitionsOf(ctx context.Context, in *installation.Installation, io *streams) (int, error) {
	have, err := in.RecordedPartitions(ctx)
	switch {
	case err != nil:
		return 0, err
	case have == 0:
		return in.RabbitMQ.Partitions, nil
	case have != in.RabbitMQ.Partitions:
		io.say("warning: the installation has %d partitions, %s says %d: set rabbitmq.partitions to %d", have, in.Source(), in.RabbitMQ.Partitions, have)
	}
	return have, nil
}

// partitionsPlanCmd is `chatctl partitions plan`.
type partitionsPlanCmd struct {
	Workers int      `placeholder:"N" help:"As many workers in all: new ones are added, or those that are named last are taken away."`
	Without []string `placeholder:"BOOT" help:"Without this worker, such as the one on a machine to be shut down; may be repeated."`
	JSON    bool     `help:"Print JSON."`
}

// Help shows examples.
func (*partitionsPlanCmd) Help() string {
	return `Shows how the partitions spread now, how they would after a change of workers, and which would move. A partition that moves is not served until its new owner consumes it: for a moment if the old owner is stopped (it hands over), for 3 s and more if it is killed. A new worker gets a random name when it starts, so which partitions it takes is an example; how many is exact.

  chatctl partitions plan --workers 4
  chatctl partitions plan --without 6f1c0d52-6a0e-4f9c-8a11-2f3f6f0c9d11`
}

// Run shows the plan.
func (c *partitionsPlanCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	if (c.Workers == 0) == (len(c.Without) == 0) || c.Workers < 0 {
		return errors.New("say --workers N (how many there would be, 1 or more) or --without BOOT (which would go; chatctl partitions names them)")
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	return s.WithStore(ctx, func(ctx context.Context, in *installation.Installation, db *store.Store) error {
		n, err := partitionsOf(ctx, in, io)
		if err != nil {
			return err
		}
		sp, err := spread.Of(ctx, db, n)
		if err != nil {
			return err
		}
		before := sp.Boots()
		after, err := c.after(before)
		if err != nil {
			return err
		}
		return c.print(io, spread.Change(before, after, n), n)
	})
}

// after is the list of workers as it would be.
func (c *partitionsPlanCmd) after(before []string) ([]string, error) {
	after := slices.Clone(before)
	for _, boot := range c.Without {
		i := slices.Index(after, boot)
		if i < 0 {
			return nil, fmt.Errorf("there is no worker %s: chatctl partitions lists those that are alive", boot)
		}
		after = slices.Delete(after, i, i+1)
	}
	if len(c.Without) > 0 {
		return after, nil
	}
	for i := 1; len(after) < c.Workers; i++ {
		after = append(after, fmt.Sprintf("new-%d", i))
	}
	return after[:c.Workers], nil
}

func (c *partitionsPlanCmd) print(io *streams, p spread.Plan, partitions int) error {
	if len(p.After) == 0 {
		io.say("warning: no worker would be left: nothing would be processed")
	}
	if len(p.After) > partitions {
		io.say("warning: %d workers would own nothing: there are only %d partitions", len(p.After)-partitions, partitions)
	}
	if c.JSON {
		return io.printJSON(p)
	}
	if err := io.printRows(p.Rows()); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(io.out, "\n%d of %d partitions would move, %d get another standby\n", len(p.Moves), partitions, p.Standbys)
	if len(p.Moves) == 0 {
		return nil
	}
	_, _ = fmt.Fprintln(io.out)
	return io.printRows(p.MoveRows())
}
