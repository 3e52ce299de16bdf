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
)

func main() { os.Exit(daemon.Main(process())) }

func process() daemon.Process {
	cfg := defaults()
	return daemon.Process{
		Name: "gateway", Print: cfg.print, Load: cfg.load, Warn: cfg.warnings,
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
	tls, err := cfg.RabbitMQ.TLSConfig()
	if err != nil {
		return nil, err
	}
	keys, err := cfg.tokens()
	if err != nil {
		return nil, err
	}
	verify, err := auth.NewVerifier(keys, nil)
	if err != nil {
		return nil, err
	}
	reg := telemetry.NewRegistry()
	telemetry.BuildInfo(reg, "gateway", daemon.Version())
	debug := telemetry.NewDebug(cfg.Debug.Addr(), reg, log)
	metrics := broker.NewMetrics(reg)
	pub, err := broker.NewPublisher(cfg.broker(tls, name+" out", log, metrics))
	if err != nil {
		return nil, err
	}
	o := cfg.gateway(name, boot)
	o.Bus, o.Verifier, o.Log, o.Metrics = broker.NewCommands(pub), tokens{verify}, log, gateway.NewMetrics(reg)
	g, err := gateway.New(o)
	if err != nil {
		return nil, errors.Join(err, pub.Close(context.Background()))
	}
	in, err := broker.NewGatewayConsumer(cfg.broker(tls, name+" in", log, metrics), name, boot, inbound{g})
	if err != nil {
		return nil, errors.Join(err, pub.Close(context.Background()))
	}
	debug.Register("rabbitmq", func(context.Context) error { return errors.Join(pub.Ready(), in.Ready()) })
	debug.Register("sockets", func(context.Context) error { return g.Ready() })
	return []daemon.Part{
		{Name: "debug listener", Start: debug.Start, Stop: debug.Stop, Fatal: debug.Failed()},
		{Name: "servers", Run: func(ctx context.Context) error { return debug.Watch(ctx, log, cfg.Server.GiveUp.D()) }},
		{Name: "publisher", Stop: pub.Close},
		{Name: "deliveries", Stop: in.Close},
		daemon.Trim(),
		{Name: "sockets", Start: g.Start, Weight: 10, Stop: func(ctx context.Context) error {
			debug.Drain()
			return g.Stop(ctx)
		}},
	}, nil
}
