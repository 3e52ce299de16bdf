package installation

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"chat-service/configs"
	"chat-service/internal/broker"
	"chat-service/internal/chat"
	"chat-service/internal/config"
	"chat-service/internal/ops/stack"
	"chat-service/internal/state"
	"chat-service/internal/store"
	"chat-service/internal/store/db"
	"chat-service/internal/store/operator"
	"chat-service/internal/wiring/mysql"
	"chat-service/internal/wiring/rabbit"
	"chat-service/internal/wiring/redis"
)

// defaultRun and defaultConfig are used if they exist and no others are given.
const (
	defaultRun    = ".run"
	defaultConfig = "configs/worker.yaml"
)

// Settings say where the servers are: a file and the environment, as for the processes, or a run of `chatctl up`.
type Settings struct {
	Config string `placeholder:"FILE" help:"YAML with the servers' addresses; CHAT_… variables override it (default: configs/worker.yaml if it exists)."`
	Run    string `placeholder:"DIR" help:"Run directory of a running chatctl up, to use its private servers (default: .run if one is running there and no address is given)."`
}

// Sections are those of a configuration file that operators' commands read.
type Sections struct {
	Server   config.ServerMode `yaml:"server"`
	Database config.Database   `yaml:"database"`
	Redis    config.Redis      `yaml:"redis"`
	RabbitMQ config.RabbitMQ   `yaml:"rabbitmq"`
}

// Defaults are the sections as they are without a file.
func Defaults() Sections {
	return Sections{Server: config.DefaultServerMode(), Database: config.DefaultDatabase(), Redis: config.DefaultRedis(), RabbitMQ: config.DefaultRabbitMQ()}
}

// Installation is what the settings lead to.
type Installation struct {
	Sections
	File    string      // "": none
	Run     string      // directory of the run whose servers are used; "": none
	Found   stack.Found // if Run is set
	Environ []string
}

// Find reads the settings. Mistakes in the file are returned together with what could be read.
func (s *Settings) Find(environ []string) (*Installation, error) {
	in := &Installation{Sections: Defaults(), File: s.Config, Environ: environ}
	if in.File == "" {
		if _, err := os.Stat(defaultConfig); err == nil {
			in.File = defaultConfig
		}
	}
	dir := s.Run
	if dir == "" && s.Config == "" && !addressGiven(environ) {
		dir = defaultRun
	}
	if dir != "" {
		f, ok, err := stack.Find(dir)
		switch {
		case err != nil:
			return in, err
		case ok:
			in.Run, in.Found, in.Environ = dir, f, f.Environ(environ)
		case s.Run != "":
			return in, fmt.Errorf("nothing is running in %s: start it with chatctl up --dir %s, or omit --run and give the servers by --config or CHAT_… variables", dir, dir)
		}
	}
	return in, Load(in.File, &in.Sections, in.Environ)
}

// addressGiven reports whether the environment names a server.
func addressGiven(environ []string) bool {
	return slices.ContainsFunc(environ, func(kv string) bool {
		name, value, _ := strings.Cut(kv, "=")
		return value != "" && slices.Contains([]string{
			"CHAT_DATABASE_HOST", "CHAT_DATABASE_PORT", "CHAT_REDIS_HOST", "CHAT_REDIS_PORT",
			"CHAT_REDIS_ADDRS", "CHAT_RABBITMQ_URL", "CHAT_RABBITMQ_URL_FILE", "CHAT_RABBITMQ_URLS", "CHAT_RABBITMQ_URLS_FILE",
		}, name)
	})
}

// unknownKey finds the key in the error about one that the struct doesn't have.
var unknownKey = regexp.MustCompile(`^.+:\d+: (\S+): is unknown`)

// Load fills into as the processes do, but ignores what only a process knows: whole sections, and keys of the
// sections server and webhooks. The process that owns them checks them (-check).
func Load(path string, into any, environ []string) error {
	err := config.Load(path, into, config.Environ(environ), config.Shared(configs.Files))
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) {
		return err
	}
	known := map[string]bool{}
	for _, key := range config.Keys(into) {
		section, _, _ := strings.Cut(key, ".")
		known[section] = true
	}
	var errs []error
	for _, e := range all.Unwrap() {
		if m := unknownKey.FindStringSubmatch(e.Error()); m != nil {
			section, _, nested := strings.Cut(m[1], ".")
			if section == "server" || section == "webhooks" || !nested && !known[section] {
				continue
			}
		}
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// Limits are the sizes that the installation's file sets; those that it doesn't name have their defaults.
func (in *Installation) Limits() (chat.Limits, error) {
	own := struct {
		Sections `yaml:",inline"`
		Limits   chat.Limits `yaml:"limits"`
	}{Sections: in.Sections, Limits: chat.DefaultLimits()}
	err := Load(in.File, &own, in.Environ)
	return own.Limits, err
}

// PrivateNetworks are the networks that are not public and that endpoints for webhooks may be in.
func (in *Installation) PrivateNetworks() ([]netip.Prefix, error) {
	own := struct {
		Sections `yaml:",inline"`
		Webhooks config.Webhooks `yaml:"webhooks"`
	}{Sections: in.Sections, Webhooks: config.DefaultWebhooks()}
	if err := Load(in.File, &own, in.Environ); err != nil {
		return nil, err
	}
	return own.Webhooks.Networks()
}

// StoreOptions are those of the primary.
func (in *Installation) StoreOptions() (db.Options, error) {
	o, err := mysql.Options(in.Database, in.RabbitMQ.Partitions)
	o.Replicas, o.MaxOpen, o.MaxIdle, o.ConnMaxLifetime, o.ConnMaxIdleTime = nil, 4, 0, 0, 0
	return o, err
}

// OpenStore opens the database; it connects at the first call.
func (in *Installation) OpenStore() (*store.Store, error) {
	o, err := in.StoreOptions()
	if err != nil {
		return nil, err
	}
	return store.Open(o)
}

// OpenState opens Redis, with a longer timeout than a process uses.
func (in *Installation) OpenState() (*state.State, error) {
	o, err := redis.Options(in.Redis, in.RabbitMQ.Prefix(), in.RabbitMQ.Partitions)
	if err != nil {
		return nil, err
	}
	o.Timeout = 2 * time.Second
	return state.Open(o, state.NewMetrics(nil)), nil
}

// BrokerOptions are those of a connection of chatctl.
func (in *Installation) BrokerOptions() (broker.Options, error) {
	o, err := rabbit.Options(in.RabbitMQ)
	o.Name = "chatctl"
	return o, err
}

// Source says where the addresses came from, for error texts.
func (in *Installation) Source() string {
	switch {
	case in.Run != "":
		return "the run in " + in.Run
	case in.File != "":
		return in.File + " and the environment"
	default:
		return "defaults and the environment"
	}
}

// WithStore runs fn on the installation's database and explains what goes wrong.
func (s *Settings) WithStore(ctx context.Context, fn func(ctx context.Context, in *Installation, db *store.Store) error) error {
	in, err := s.Find(os.Environ())
	if err != nil {
		return err
	}
	db, err := in.OpenStore()
	if err != nil {
		return err
	}
	return in.Explain(errors.Join(fn(ctx, in, db), db.Close()))
}

// WithConsole runs fn on the installation's server, where the database may not exist yet.
func (in *Installation) WithConsole(fn func(c *operator.Server) error) error {
	o, err := in.StoreOptions()
	if err != nil {
		return err
	}
	c, err := operator.Open(o)
	if err != nil {
		return err
	}
	return errors.Join(fn(c), c.Close())
}

// Explain adds to a database error what to do next. The store's errors about the schema already say it.
func (in *Installation) Explain(err error) error {
	if chat.KindOf(err) != chat.Unavailable || strings.Contains(err.Error(), "chatctl migrate") {
		return err
	}
	return fmt.Errorf("%w\n  MySQL at %s (from %s) can't be used: start it, or give another by --run, --config or CHAT_DATABASE_HOST; `chatctl doctor` examines it",
		err, in.Database.Addr(), in.Source())
}

// Beside is the path of another process's file in the folder of the one given.
func (in *Installation) Beside(name string) string {
	dir := "configs"
	if in.File != "" {
		dir = filepath.Dir(in.File)
	}
	return filepath.Join(dir, name+".yaml")
}

// RecordedPartitions is the number of partitions of the installation, 0 if no process has run yet.
func (in *Installation) RecordedPartitions(ctx context.Context) (n int, err error) {
	err = in.WithConsole(func(c *operator.Server) error {
		n, err = c.Partitions(ctx)
		return err
	})
	return n, err
}
