package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"chat-service/internal/ops/installation"
	"chat-service/internal/ops/standstill"
	"chat-service/internal/store"
	"chat-service/internal/store/operator"
)

// standstillFlags are those of commands that work while nothing runs.
type standstillFlags struct {
	Wait       time.Duration `default:"10m" help:"How long to wait until everything is stopped; 0: not at all."`
	AnySession bool          `help:"Take connections of others to the database for harmless."`
	Yes        bool          `help:"Confirm."`
}

// on opens the installation for such a command. A signal ends it between two steps, or within one: it can be run again.
func (f *standstillFlags) on(ctx context.Context, s *installation.Settings, io *streams, fn func(ctx context.Context, site *standstill.Site) error) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	in, err := s.Find(os.Environ())
	if err != nil {
		return err
	}
	bus, err := in.BrokerOptions()
	if err != nil {
		return err
	}
	cache, err := in.OpenState()
	if err != nil {
		return err
	}
	o, err := in.StoreOptions()
	if err != nil {
		return errors.Join(err, cache.Close())
	}
	console, err := operator.OpenPatient(o)
	if err != nil {
		return errors.Join(err, cache.Close())
	}
	err = fn(ctx, &standstill.Site{
		Console: console, Broker: bus, Cache: cache, Say: io.say, Wait: f.Wait, AnySession: f.AnySession,
		Store: func(partitions int) (*store.Store, error) {
			o.Partitions = partitions
			return store.Open(o)
		},
	})
	return in.Explain(errors.Join(err, console.Close(), cache.Close()))
}

// partitionsResizeCmd is `chatctl partitions resize`.
type partitionsResizeCmd struct {
	To int `required:"" placeholder:"N" help:"The new number of partitions, 1 to 1024."`
	standstillFlags
}

// Help shows examples.
func (*partitionsResizeCmd) Help() string {
	return `Changes the number of partitions of an installation, while nothing runs. Start it while everything is running: it says what to stop, and when. First the gateways and apis, then, when the workers have processed what was left, the workers. Clients reconnect afterwards, and send again what was not acknowledged. After an interruption run the same command again; no process starts before it has come to its end. Back up the database first.

  chatctl partitions resize --to 32 --yes`
}

// Run changes the number.
func (c *partitionsResizeCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	switch {
	case c.To < 1 || c.To > 1024:
		return fmt.Errorf("--to %d: there can be 1 to 1024 partitions", c.To)
	case !c.Yes:
		return errors.New("everything has to be stopped for it, gateways, apis and workers: add --yes to confirm")
	}
	return c.on(ctx, s, io, func(ctx context.Context, site *standstill.Site) error { return site.Resize(ctx, c.To) })
}
