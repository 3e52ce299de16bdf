// Command gateway holds the clients' WebSockets. It publishes their commands to RabbitMQ and delivers what the workers send
// to it. Any number of gateways can run behind a load balancer.
package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"

	"chat-service/internal/auth"
	"chat-service/internal/broker"
	"chat-service/internal/daemon"
	"chat-service/internal/gateway"
	"chat-service/internal/telemetry"
	"chat-service/internal/wiring/keys"
	"chat-service/internal/wiring/rabbit"
)

func main() { os.Exit(daemon.Main(process())) }

func process() daemon.Process {
	cfg := defaults()
	return daemon.Process{
		Name: "gateway", Print: cfg.print, Load: cfg.load, Warn: cfg.warnings, Debug: func() string { return cfg.Debug.Addr() },
		Wire: func(_ context.Context, stderr io.Writer) (*daemon.Runner, []daemon.Part, error) {
			log, err := telemetry.NewLogger(stderr, telemetry.LogOptions{Process: "gateway", Level: cfg.Log.Level, Format: cfg.Log.Format, Burst: 20})
			if err != nil {
				return nil, nil, err
			}
			for _, w := range cfg.warnings() {
				log.Warn("configuration", "warning", w)
			}
			parts, err := wire(&cfg, log)
			return &daemon.Runner{Log: log, StopTimeout: cfg.stopTimeout()}, parts, err
		},
	}
}

// wire makes the adapters and gives them to the station. The parts start in this order and stop in reverse: the sockets start
// last and stop first, while the bus still works.
func wire(cfg *Config, log *slog.Logger) ([]daemon.Part, error) {
	name, boot, err := cfg.identity()
	if err != nil {
		return nil, err
	}
	log = log.With("gateway", name+"."+boot)
	signed, err := keys.Of(cfg.JWT)
	if err != nil {
		return nil, err
	}
	verify, err := auth.NewVerifier(signed, nil)
	if err != nil {
		return nil, err
	}
	reg := telemetry.NewRegistry()
	telemetry.BuildInfo(reg, "gateway", daemon.Version())
	debug := telemetry.NewDebug(cfg.Debug.Addr(), reg, log)
	bus, err := cfg.broker(log, broker.NewMetrics(reg))
	if err != nil {
		return nil, err
	}
	pub, err := broker.NewPublisher(bus(name + " out"))
	if err != nil {
		return nil, err
	}
	o := cfg.gateway(name, boot)
	o.FileRoom = fileRoom(cfg.Gateway.MaxSockets, log)
	o.Bus, o.Verifier, o.Log, o.Metrics = broker.NewCommands(pub), tokens{verify}, log, gateway.NewMetrics(reg)
	g, err := gateway.New(o)
	if err != nil {
		return nil, errors.Join(err, pub.Close(context.Background()))
	}
	in, err := broker.NewGatewayConsumer(bus(name+" in"), name, boot, inbound{g})
	if err != nil {
		return nil, errors.Join(err, pub.Close(context.Background()))
	}
	debug.Register("rabbitmq", func(context.Context) error { return errors.Join(pub.Ready(), in.Ready()) })
	debug.Register("sockets", func(context.Context) error { return g.Ready() })
	return []daemon.Part{
		{Name: "debug listener", Start: debug.Start, Stop: debug.Stop, Fatal: debug.Failed()},
		{Name: "servers", Run: func(ctx context.Context) error { return debug.Watch(ctx, log, cfg.Server.GiveUp.D()) }},
		{Name: "broker addresses", Run: rabbit.Reach(cfg.RabbitMQ, log)},
		{Name: "publisher", Stop: pub.Close},
		{Name: "deliveries", Stop: in.Close},
		daemon.Trim(),
		{Name: "sockets", Start: g.Start, Weight: 10, Fatal: g.Failed(), Stop: func(ctx context.Context) error {
			debug.Drain()
			return g.Stop(ctx)
		}},
	}, nil
}

const (
	// fileReserve are files for what isn't a socket: connections to RabbitMQ, the debug listener and its clients, log, and
	// handshakes that are being refused.
	fileReserve = 24
	// fewFiles is below what a gateway is run for.
	fewFiles = 4096
)

// fileRoom is how many sockets the limit of open files has room for, 0 if there is no limit. It warns if that is fewer than
// the gateway may hold: it answers 503 then, while others have to be refused before the kernel refuses them.
func fileRoom(maxSockets int, log *slog.Logger) int {
	limit, ok := daemon.RaiseFileLimit()
	if !ok {
		return 0
	}
	room := max(int(min(limit, 1<<30))-fileReserve, 1)
	if maxSockets > room || maxSockets == 0 && room < fewFiles {
		log.Warn("the limit of open files is low: sockets beyond it are refused with 503", "files", limit, "sockets", room,
			"max_sockets", maxSockets, "hint", "raise it (ulimit -n, LimitNOFILE in systemd, ulimits in compose)")
	}
	return room
}
