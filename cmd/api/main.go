// Command api serves REST: accounts, rooms, members, messages, presence. Everything is kept in MySQL; without Redis it serves on,
// with presence unknown. Any number of these processes share the load.
package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"chat-service/internal/api"
	"chat-service/internal/auth"
	"chat-service/internal/daemon"
	"chat-service/internal/state"
	"chat-service/internal/store"
	"chat-service/internal/store/audit"
	"chat-service/internal/store/db"
	"chat-service/internal/telemetry"
	"chat-service/internal/webhook"
	"chat-service/internal/wiring/keys"
)

func main() { os.Exit(daemon.Main(process())) }

func process() daemon.Process {
	cfg := defaults()
	return daemon.Process{
		Name: "api", Print: cfg.print, Load: cfg.load, Warn: cfg.warnings, Debug: func() string { return cfg.Debug.Addr() },
		Wire: func(_ context.Context, stderr io.Writer) (*daemon.Runner, []daemon.Part, error) {
			log, err := telemetry.NewLogger(stderr, telemetry.LogOptions{Process: "api", Level: cfg.Log.Level, Format: cfg.Log.Format})
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
	telemetry.BuildInfo(reg, "api", daemon.Version())
	debug := telemetry.NewDebug(cfg.Debug.Addr(), reg, log)
	so, serr := cfg.store(log)
	ro, rerr := cfg.state()
	o, oerr := cfg.api(log, reg)
	to, kerr := keys.Of(cfg.JWT)
	if kerr != nil {
		return nil, kerr
	}
	issuer, terr := auth.NewTokens(to)
	hasher, herr := auth.NewHasher(cfg.Auth.Argon2, auth.NewPolicy(cfg.Server.Release()))
	others, ferr := cfg.Auth.foreigns()
	networks, nerr := cfg.Webhooks.Networks()
	if err := errors.Join(serr, rerr, oerr, terr, herr, ferr, nerr); err != nil {
		return nil, err
	}
	cache := state.Open(ro, state.NewMetrics(reg))
	calls := state.NewCallNotifier(cache)
	so.Hooks.Tx = func(_ string, _ time.Duration, err error) {
		if err == nil {
			calls.Notify() // nearly every write leaves something in the outbox
		}
	}
	replicas := db.NewReplicaMetrics(reg)
	so.Hooks.HistoryRead = replicas.HistoryRead
	stores, err := store.Open(so)
	if err != nil {
		return nil, err
	}
	replicas.Of(reg, stores.DB)
	recorder := audit.NewRecorder(stores.Audit, log)
	ports := api.Ports{
		Accounts: stores.Accounts, People: stores.Accounts, Sessions: stores.Accounts, Identities: stores.Accounts, Keys: stores.Accounts, Wardens: stores.Accounts,
		Spaces: stores.Rooms, Jobs: stores.Jobs, Trail: stores.Audit, Exports: stores.Jobs, Replies: stores.Changes,
		Logs: stores.Messages, Webhooks: stores.Webhooks, Endpoints: webhook.Endpoints{Private: networks},
		Rooms: stores.Rooms, Members: stores.Rooms, Lists: stores.Rooms, Messages: stores.Messages, Changes: stores.Changes,
		Passwords: hasher, Tokens: issuer, Refreshes: auth.NewRefreshTokens(cfg.refreshKey()),
		Recents: cache, Presences: cache, Throttle: cache, Audit: recorder,
	}
	if others.judge != nil {
		ports.Foreigns = others.judge
	}
	server, err := api.New(o, ports)
	if err != nil {
		return nil, err
	}
	debug.Register("requests", func(context.Context) error { return server.Ready() })
	debug.Register("mysql", stores.Operator.Ready)
	debug.Observe("redis", cache.Ready)
	reg.MustRegister(telemetry.NewPoolCollector("mysql", stores.DB.Stats), recorder.Metric())
	parts := []daemon.Part{
		{Name: "debug listener", Start: debug.Start, Stop: debug.Stop, Fatal: debug.Failed()},
		{Name: "servers", Run: func(ctx context.Context) error { return debug.Watch(ctx, log, cfg.Server.GiveUp.D()) }},
		{Name: "redis", Start: func(ctx context.Context) error { return cache.Admit(ctx, log) }, Stop: func(context.Context) error { return cache.Close() }},
		{Name: "call notifier", Start: calls.Start, Stop: calls.Stop},
		{Name: "mysql", Start: stores.Operator.AwaitReady, Stop: func(context.Context) error { return stores.Close() }},
		{Name: "replicas", Run: stores.DB.WatchReplicas},
		{Name: "audit trail", Start: recorder.Start, Stop: recorder.Stop},
		{Name: "api", Start: server.Start, Fatal: server.Fatal(), Weight: 3, Stop: func(ctx context.Context) error {
			debug.Drain()
			return server.Stop(ctx)
		}},
	}
	return append(others.parts(debug, o.Metrics.IssuerKeys, log), parts...), nil
}
