package main

import (
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/configs"
	"chat-service/internal/broker"
	"chat-service/internal/chat"
	"chat-service/internal/config"
	"chat-service/internal/state"
	"chat-service/internal/store/db"
	"chat-service/internal/wiring/mysql"
	"chat-service/internal/wiring/rabbit"
	"chat-service/internal/wiring/redis"
	"chat-service/internal/worker"
)

// Config is configs/worker.yaml.
type Config struct {
	Server   config.ServerMode `yaml:"server"`
	Database config.Database   `yaml:"database"`
	Redis    config.Redis      `yaml:"redis"`
	RabbitMQ config.RabbitMQ   `yaml:"rabbitmq"`
	Worker   Worker            `yaml:"worker"`
	Webhooks Webhooks          `yaml:"webhooks"`
	Limits   Limits            `yaml:"limits"`
	Debug    config.Debug      `yaml:"debug"`
	Log      config.Log        `yaml:"log"`
}

// Worker is how the station is tuned.
type Worker struct {
	// Committers is the number of goroutines that commit; a partition belongs to one of them.
	Committers int `yaml:"committers"`
	// Lanes is the number of goroutines that answer reads (presence, joins, repairs).
	Lanes int `yaml:"lanes"`
	// BatchRecords bounds the commands in one transaction.
	BatchRecords int `yaml:"batch_records"`
	// Prefetch bounds the inbound batches per partition that wait in this process.
	Prefetch int `yaml:"prefetch"`
	// OutboxPoll is the pause between looks for what REST writes have to announce.
	OutboxPoll config.Duration `yaml:"outbox_poll"`
	// DigestEvery is the pause between digests of room heads; at most 15 s.
	DigestEvery config.Duration `yaml:"digest_every"`
	// OfflineGrace is how long a user without sockets still counts as online, for reconnects.
	OfflineGrace config.Duration `yaml:"offline_grace"`
	// PingInterval is what welcome states to clients; the same as the gateways'.
	PingInterval config.Duration `yaml:"ping_interval"`
}

// Validate checks the ranges.
func (w Worker) Validate() error {
	var errs []error
	if w.Committers < 1 || w.Lanes < 1 || w.BatchRecords < 1 || w.Prefetch < 1 || w.Prefetch > 65535 {
		errs = append(errs, errors.New("committers, lanes, batch_records and prefetch: must be at least 1 (prefetch at most 65535)"))
	}
	if w.OutboxPoll <= 0 || w.OutboxPoll > config.Duration(time.Second) {
		errs = append(errs, errors.New("outbox_poll: must be above 0 and at most 1s"))
	}
	if w.DigestEvery <= 0 || w.DigestEvery > config.Duration(15*time.Second) {
		errs = append(errs, errors.New("digest_every: must be above 0 and at most 15s"))
	}
	if w.OfflineGrace < 0 || w.OfflineGrace > config.Duration(19*time.Second) {
		errs = append(errs, errors.New("offline_grace: must be 0 to 19s: presence may not err for longer than 20 s"))
	}
	if w.PingInterval.D() < time.Second || w.PingInterval.D() > 10*time.Minute {
		errs = append(errs, errors.New("ping_interval: must be 1s to 10m, as the gateways'"))
	}
	return errors.Join(errs...)
}

// Limits are those of the installation that the worker reads.
type Limits chat.Limits

// ConfigKeys lists them.
func (Limits) ConfigKeys() []string { return chat.LimitKeys(chat.ByWorker) }

// Validate checks the ranges.
func (l Limits) Validate() error { return chat.Limits(l).Validate() }

func defaults() Config {
	return Config{
		Server: config.DefaultServerMode(), Database: config.DefaultDatabase(), Redis: config.DefaultRedis(),
		RabbitMQ: config.DefaultRabbitMQ(), Debug: config.DefaultDebug(9102), Log: config.DefaultLog(),
		Worker: Worker{
			Committers: 1, Lanes: 16, BatchRecords: 256, Prefetch: 64, OutboxPoll: config.Duration(50 * time.Millisecond),
			DigestEvery: config.Duration(10 * time.Second), OfflineGrace: config.Duration(8 * time.Second),
			PingInterval: config.Duration(25 * time.Second),
		},
		Webhooks: defaultWebhooks(),
		Limits:   Limits(chat.DefaultLimits().For(chat.ByWorker)),
	}
}

func (c *Config) limits() chat.Limits { return chat.Limits(c.Limits) }

// store has no replicas: a worker decides by what it reads.
func (c *Config) store(log *slog.Logger) (db.Options, error) {
	o, err := mysql.Options(c.Database, c.RabbitMQ.Partitions)
	o.Replicas, o.Limits, o.Logger = nil, c.limits(), log
	return o, err
}

func (c *Config) state() (state.Options, error) {
	return redis.Options(c.Redis, c.RabbitMQ.Prefix(), c.RabbitMQ.Partitions)
}

// broker returns what makes the options of a connection out of its name.
func (c *Config) broker(log *slog.Logger, m *broker.Metrics) (func(name string) broker.Options, error) {
	o, err := rabbit.Options(c.RabbitMQ)
	o.Logger, o.Metrics = log, m
	return func(name string) broker.Options { o.Name = name; return o }, err
}

func (c *Config) worker(boot string, log *slog.Logger, reg prometheus.Registerer) worker.Options {
	w := c.Worker
	return worker.Options{
		Boot: boot, Partitions: c.RabbitMQ.Partitions, Logger: log, Metrics: worker.NewMetrics(reg),
		Committers: w.Committers, Lanes: w.Lanes, BatchRecords: w.BatchRecords, OutboxPoll: time.Duration(w.OutboxPoll),
		DigestEvery: time.Duration(w.DigestEvery), OfflineGrace: time.Duration(w.OfflineGrace), PingInterval: time.Duration(w.PingInterval),
		MaxSockets: c.Limits.SocketsPerSession, MaxSyncRooms: c.Limits.SyncRooms, Limits: c.limits(), PeerReads: c.Limits.PeerReads,
		ProtocolLimit: c.limits(),
	}
}

// load reads the file and the environment, which this process shares with the others.
func (c *Config) load(path string) error {
	err := config.Load(path, c, config.Shared(configs.Files))
	c.RabbitMQ.Shuffle()
	return err
}

func (c *Config) print(w io.Writer) error { return config.Print(w, *c) }

// warnings lists what is accepted and seldom right.
func (c *Config) warnings() []string { return config.Warnings(c) }
