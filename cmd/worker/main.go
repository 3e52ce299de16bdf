// Command worker decides, commits, counts and routes. It takes commands from RabbitMQ, keeps them in MySQL and tells the
// gateways; any number of workers share the load.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"

	"chat-service/internal/broker"
	"chat-service/internal/chat"
	"chat-service/internal/daemon"
	"chat-service/internal/state"
	"chat-service/internal/store"
	"chat-service/internal/telemetry"
	"chat-service/internal/worker"
)

func main() { os.Exit(daemon.Main(run)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags, code, ok := daemon.ParseFlags("worker", args, stderr)
	if !ok {
		return code
	}
	cfg := defaults()
	if code, ok := daemon.Preflight(flags, stdout, stderr, cfg.print, cfg.load); !ok {
		return code
	}
	log, err := telemetry.NewLogger(stderr, telemetry.LogOptions{Process: "worker", Level: cfg.Log.Level, Format: cfg.Log.Format})
	if err == nil {
		var parts []daemon.Part
		if parts, err = wire(ctx, &cfg, log); err == nil {
			err = (&daemon.Runner{Log: log}).Run(ctx, parts...)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "worker:", err)
		return daemon.ExitFailed
	}
	return daemon.ExitOK
}

// wire opens the adapters and hands them to the station; the order of the parts is the order of the start.
func wire(ctx context.Context, cfg *Config, log *slog.Logger) ([]daemon.Part, error) {
	reg := telemetry.NewRegistry()
	debug := telemetry.NewDebug(cfg.Debug.Addr(), reg, log)
	sec, err := cfg.security()
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, cfg.store(sec, log))
	if err != nil {
		return nil, err
	}
	cache := state.Open(cfg.state(sec), state.NewMetrics(reg))
	metrics, in := broker.NewMetrics(reg), newIntake()
	pub, perr := broker.NewPublisher(cfg.broker(sec, "worker out", log, metrics))
	consumers, cerr := broker.NewConsumers(cfg.broker(sec, "worker in", log, metrics), cfg.Worker.Prefetch, in)
	control, kerr := broker.NewControlConsumer(cfg.broker(sec, "worker control", log, metrics), in.beats)
	if err := errors.Join(perr, cerr, kerr); err != nil {
		return nil, err
	}
	o := cfg.worker(uuid.NewString(), log, reg)
	o.Log, o.Outbox, o.Members, o.Accounts, o.Fleet = db, db, db, db, fleet{db}
	o.Sockets, o.Leases, o.Losses, o.Routes = sockets{cache, cfg.RabbitMQ.Partitions}, leases{cache}, cache, routes{cache}
	o.Bus, o.Consume = bus{pub, cfg.broker(sec, "", nil, nil).WithDefaults()}, &ears{Consumers: consumers, control: control}
	w, err := worker.New(o)
	if err != nil {
		return nil, err
	}
	in.set(w)
	debug.Register("mysql", db.SchemaReady)
	debug.Register("rabbitmq", func(context.Context) error { return errors.Join(pub.Ready(), consumers.Ready()) })
	reg.MustRegister(telemetry.NewPoolCollector("mysql", db.Stats))
	return []daemon.Part{
		{Name: "debug listener", Start: debug.Start, Stop: debug.Stop, Fatal: debug.Failed()},
		{Name: "redis", Start: func(ctx context.Context) error { return checkRedis(ctx, cache, log) }, Stop: func(context.Context) error { return cache.Close() }},
		{Name: "mysql", Start: func(ctx context.Context) error { return ready(ctx, db, cfg.RabbitMQ.Partitions, log) }, Stop: func(context.Context) error { return db.Close() }},
		{Name: "publisher", Stop: pub.Close},
		{Name: "control queue", Stop: control.Close},
		{Name: "inbound queues", Stop: consumers.Close},
		{Name: "worker", Start: w.Start, Stop: w.Stop, Weight: 3},
	}, nil
}

// ready waits for MySQL and its schema, and agrees with the installation on the number of partitions.
func ready(ctx context.Context, db *store.DB, partitions int, log *slog.Logger) error {
	for {
		err := db.SchemaReady(ctx)
		if err == nil {
			return db.Partitions(ctx, partitions)
		}
		log.Warn("waiting for mysql", "err", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// checkRedis refuses a Redis that would drop what it holds; one that is away comes later.
func checkRedis(ctx context.Context, cache *state.State, log *slog.Logger) error {
	warnings, err := cache.Check(ctx)
	for _, w := range warnings {
		log.Warn("redis", "warning", w)
	}
	if chat.KindOf(err) == chat.Unavailable {
		log.Warn("redis is away; going on without", "err", err)
		return nil
	}
	return err
}
