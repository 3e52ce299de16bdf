package main

import (
	"context"
	"fmt"

	"chat-service/internal/ops/installation"
	"chat-service/internal/ops/spread"
	"chat-service/internal/store"
)

// partitionsCmd is `chatctl partitions`.
type partitionsCmd struct {
	JSON bool `help:"Print JSON."`
}

// Help shows examples.
func (*partitionsCmd) Help() string {
	return `Shows the owner and the standby of each partition, computed from the live workers as they do it themselves, and how many consumers RabbitMQ counts for it. A warning says where an owner doesn't consume.

  chatctl partitions
  chatctl partitions --json`
}

// Run shows the spread.
func (c *partitionsCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	return s.WithStore(ctx, func(ctx context.Context, in *installation.Installation, db *store.Store) error {
		have, err := in.RecordedPartitions(ctx)
		if err != nil {
			return err
		}
		if have != 0 && have != in.RabbitMQ.Partitions {
			io.say("warning: the installation has %d partitions, %s says %d: set rabbitmq.partitions to %d", have, in.Source(), in.RabbitMQ.Partitions, have)
		}
		if have == 0 {
			have = in.RabbitMQ.Partitions
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
