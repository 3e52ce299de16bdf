// Command worker decides, commits, counts and routes. It takes commands from RabbitMQ, keeps them in MySQL and sends
// deliveries to the gateways; any number of workers share the load.
package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"chat-service/internal/broker"
	"chat-service/internal/daemon"
	"chat-service/internal/state"
	"chat-service/internal/store"
	"chat-service/internal/telemetry"
	"chat-service/internal/wiring/rabbit"
	"chat-service/internal/worker"
)

// gcPercent is GOGC where the environment sets none. What a worker keeps is a few MB, so that at 100 it would collect ten times
// a second under load; four times as much garbage is still less than a gateway's memory.
const gcPercent = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(daemon.Main(process()))
}

func process() daemon.Process {
	cfg := defaults()
	return daemon.Process{
		Name: "worker", Print: cfg.print, Load: cfg.load, Warn: cfg.warnings, Debug: func() string { return cfg.Debug.Addr() },
		Wire: func(_ context.Context, stderr io.Writer) (*daemon.Runner, []daemon.Part, error) {
			log, err := telemetry.NewLogger(stderr, telemetry.LogOptions{Process: "worker", Level: cfg.Log.Level, Format: cfg.Log.Format})
			if err != nil {
				return nil, nil, err
			}
			for _, w := range cfg.warnings() {
				log.Warn("configuration", "warning", w)
			}
			parts, err := wire(&cfg, log)
			return &daemon.Runner{Log: log}, parts, err
		},
	}
}

// wire opens the adapters and hands them to the station; the order of the parts is the order of the start.
func wire(cfg *Config, log *slog.Logger) ([]daemon.Part, error) {
	reg := telemetry.NewRegistry()
	telemetry.BuildInfo(reg, "worker", daemon.Version())
	listener := telemetry.NewDebug(cfg.Debug.Addr(), reg, log)
	metrics, in := broker.NewMetrics(reg), newInbound()
	so, serr := cfg.store(log)
	ro, rerr := cfg.state()
	bus, berr := cfg.broker(log, metrics)
	if err := errors.Join(serr, rerr, berr); err != nil {
		return nil, err
	}
	cache := state.Open(ro, state.NewMetrics(reg))
	calls := state.NewCallNotifier(cache)
	so.Hooks.Tx = notifying(calls)
	stores, err := store.Open(so)
	if err != nil {
		return nil, err
	}
	pub, perr := broker.NewPublisher(bus("worker out"))
	consumers, cerr := broker.NewConsumers(bus("worker in"), cfg.Worker.Prefetch, in)
	control, kerr := broker.NewControlConsumer(bus("worker control"), in.beats)
	if err := errors.Join(perr, cerr, kerr); err != nil {
		return nil, err
	}
	o := cfg.worker(uuid.NewString(), log, reg)
	o.Changes = stores.Changes
	o.Log, o.Outbox, o.Members = lineLog{stores.Messages, stores.Accounts, stores.Operator}, stores.Outbox, laneLog{stores.Rooms, stores.Messages, stores.Accounts}
	o.Accounts, o.History, o.Workers = socketLog{stores.Accounts, stores.Rooms}, historyLog{stores.Messages, stores.Changes}, fleetLog{stores.Operator, stores.Rooms}
	o.Chores = stores.Jobs
	o.Routes, o.Allowances, o.Calls, o.Presence, o.Registry, o.Leases = cache, cache, cache, cache, cache, cache
	q := &queues{Consumers: consumers, control: control, out: pub, now: time.Now}
	o.Bus, o.Consume = broker.NewDeliveries(pub), q
	webhooks, endPosts, err := cfg.Webhooks.options(stores)
	if err != nil {
		return nil, err
	}
	o.Webhooks = webhooks
	w, err := worker.New(o)
	if err != nil {
		return nil, err
	}
	in.set(w)
	listener.Register("mysql", stores.Operator.Ready)
	listener.Observe("redis", cache.Ready)
	listener.Register("rabbitmq", func(context.Context) error { return cmp.Or(q.Able(), pub.Ready()) })
	reg.MustRegister(telemetry.NewPoolCollector("mysql", stores.DB.Stats))
	return []daemon.Part{
		{Name: "debug listener", Start: listener.Start, Stop: listener.Stop, Fatal: listener.Failed()},
		{Name: "servers", Run: func(ctx context.Context) error { return listener.Watch(ctx, log, cfg.Server.GiveUp.D()) }},
		{Name: "broker addresses", Run: rabbit.Reach(cfg.RabbitMQ, log)},
		{Name: "redis", Start: func(ctx context.Context) error { return cache.Admit(ctx, log) }, Stop: func(context.Context) error { return cache.Close() }},
		{Name: "call notifier", Start: calls.Start, Stop: calls.Stop},
		{Name: "mysql", Start: stores.Operator.AwaitReady, Stop: func(context.Context) error { return stores.Close() }},
		{Name: "publisher", Stop: pub.Close},
		{Name: "control queue", Stop: control.Close},
		{Name: "inbound queues", Stop: consumers.Close},
		{Name: "posts", Stop: func(context.Context) error { endPosts(); return nil }},
		{Name: "worker", Start: w.Start, Stop: w.Stop, Weight: 3},
	}, nil
}
