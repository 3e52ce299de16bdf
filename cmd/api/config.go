package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/configs"
	"chat-service/internal/api"
	"chat-service/internal/auth"
	"chat-service/internal/chat"
	"chat-service/internal/config"
	"chat-service/internal/state"
	"chat-service/internal/store/db"
	"chat-service/internal/wiring/mysql"
	"chat-service/internal/wiring/redis"
	"chat-service/web"
)

// Config is configs/api.yaml.
type Config struct {
	Server   Server          `yaml:"server"`
	Database config.Database `yaml:"database"`
	Redis    config.Redis    `yaml:"redis"`
	RabbitMQ Names           `yaml:"rabbitmq"`
	JWT      config.JWT      `yaml:"jwt"`
	Auth     Auth            `yaml:"auth"`
	Users    Users           `yaml:"users"`
	Limits   Limits          `yaml:"limits"`
	CORS     CORS            `yaml:"cors"`
	Webhooks config.Webhooks `yaml:"webhooks"`
	Debug    config.Debug    `yaml:"debug"`
	Log      config.Log      `yaml:"log"`
}

// Server is the public listener.
type Server struct {
	// Host is the address to listen on; empty and 0.0.0.0 mean all.
	Host string `yaml:"host"`
	// Port is the TCP port; 0 lets the system choose.
	Port config.Port `yaml:"port"`
	// Mode is debug or release. Release refuses weak secrets and weak passwords.
	Mode string `yaml:"mode"`
	// GiveUp ends the process when a server has refused it for so long for a reason that waiting doesn't mend; 0: never.
	GiveUp config.Duration `yaml:"give_up"`
	// TrustedProxies are addresses or networks that may name the client in X-Forwarded-For.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Site turns the demonstration page at / on.
	Site bool `yaml:"site"`
}

// Release reports whether the process runs in release mode.
func (s Server) Release() bool { return s.Mode == config.ModeRelease }

// Validate checks the mode and the proxies.
func (s Server) Validate() error {
	_, err := chat.ParseProxies(s.TrustedProxies)
	return errors.Join(config.ServerMode{Mode: s.Mode, GiveUp: s.GiveUp}.Validate(), err)
}

// Names are what the api must know of the bus, to which it never connects: rows carry their partition, and Redis keys the
// prefix.
type Names struct {
	// Exchange names the installation up to its first dot, as in the other processes.
	Exchange string `yaml:"exchange"`
	// Partitions is the same in every process.
	Partitions int `yaml:"partitions"`
}

// prefix returns what stands before the first dot.
func (n Names) prefix() string { return config.RabbitMQ{Exchange: n.Exchange}.Prefix() }

// Validate checks the range.
func (n Names) Validate() error {
	var errs []error
	if n.prefix() == "" {
		errs = append(errs, errors.New("exchange: must begin with the prefix of all names, such as chat"))
	}
	if n.Partitions < 1 || n.Partitions > 1024 {
		errs = append(errs, fmt.Errorf("partitions: is %d: set 1 to 1024, the same in every process", n.Partitions))
	}
	return errors.Join(errs...)
}

// Auth is how passwords are kept and how long sessions last.
type Auth struct {
	Argon2 auth.HashOptions `yaml:"argon2"`
	// Registration is open or closed: whether strangers may make accounts by POST /auth/register.
	Registration string `yaml:"registration"`
	// Passwords: false refuses registration, login and changes of passwords: users come by tokens of Issuers.
	Passwords bool `yaml:"passwords"`
	// Issuers are the application's own issuers of tokens, which POST /auth/exchange trades for sessions.
	Issuers []Issuer `yaml:"issuers"`
	// IdleHours ends a session that was not refreshed for so long; jwt.refresh_hours ends any session.
	IdleHours float64 `yaml:"idle_hours"`
	// RefreshGrace is how long a used refresh token still works, for answers that got lost.
	RefreshGrace config.Duration `yaml:"refresh_grace"`
}

// Validate checks the ranges.
func (a Auth) Validate() error {
	var errs []error
	if a.Registration != "open" && a.Registration != "closed" {
		errs = append(errs, fmt.Errorf("registration: is %q: set open or closed", a.Registration))
	}
	if a.IdleHours <= 0 {
		errs = append(errs, errors.New("idle_hours: set more than 0"))
	}
	if a.RefreshGrace < 0 || a.RefreshGrace > config.Duration(time.Minute) {
		errs = append(errs, errors.New("refresh_grace: set 0s to 1m"))
	}
	return errors.Join(append(errs, issuersOf(a.Issuers))...)
}

// Warnings names what leaves no way in.
func (a Auth) Warnings() []string {
	if !a.Passwords && len(a.Issuers) == 0 {
		return []string{"passwords: is false and issuers is empty: nobody can log in"}
	}
	return nil
}

// Users is what users learn of each other.
type Users struct {
	// Directory is all, shared or off: whom a user may search for and look up.
	Directory chat.Directory `yaml:"directory"`
}

// Validate checks the word.
func (u Users) Validate() error {
	switch u.Directory {
	case chat.DirectoryAll, chat.DirectoryShared, chat.DirectoryOff:
		return nil
	}
	return fmt.Errorf("directory: is %q: set all, shared (those with whom one shares a room) or off (nobody can be searched for)", u.Directory)
}

// Limits are those of the installation that the api reads.
type Limits chat.Limits

// ConfigKeys lists them.
func (Limits) ConfigKeys() []string { return chat.LimitKeys(chat.ByAPI) }

// Validate checks the ranges.
func (l Limits) Validate() error { return chat.Limits(l).Validate() }

// CORS says which other origins' pages may call the api.
type CORS struct {
	// Origins are scheme://host[:port], exact; "*" is any, and not in release mode.
	Origins []string `yaml:"origins"`
}

// Validate checks the form of the origins.
func (c CORS) Validate() error {
	var errs []error
	for _, o := range c.Origins {
		u, err := url.Parse(o)
		if o != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != o) {
			errs = append(errs, fmt.Errorf("origins: %q is not scheme://host[:port]", o))
		}
	}
	return errors.Join(errs...)
}

// ValidateRelease refuses "*".
func (c CORS) ValidateRelease() error {
	for _, o := range c.Origins {
		if o == "*" {
			return errors.New("origins: * lets every page call: name the origins in server.mode release")
		}
	}
	return nil
}

func defaults() Config {
	r := config.DefaultRabbitMQ()
	return Config{
		Server: Server{
			Host: "0.0.0.0", Port: 8081, Mode: config.ModeDebug, GiveUp: config.DefaultGiveUp,
			TrustedProxies: []string{"127.0.0.0/8", "::1"}, Site: true,
		},
		Database: config.DefaultDatabase(), Redis: config.DefaultRedis(), RabbitMQ: Names{r.Exchange, r.Partitions}, JWT: config.DefaultJWT(),
		Auth:   Auth{Registration: "open", Passwords: true, Issuers: []Issuer{}, Argon2: auth.DefaultHashOptions(), IdleHours: 7 * 24, RefreshGrace: config.Duration(10 * time.Second)},
		Users:  Users{Directory: chat.DirectoryAll},
		Limits: Limits(chat.DefaultLimits().For(chat.ByAPI)),
		CORS:   CORS{Origins: []string{}}, Webhooks: config.DefaultWebhooks(), Debug: config.DefaultDebug(9103), Log: config.DefaultLog(),
	}
}

// load reads the file and the environment, which this process shares with the others.
func (c *Config) load(path string) error {
	return config.Load(path, c, config.Shared(configs.Files))
}

func (c *Config) print(w io.Writer) error { return config.Print(w, *c) }

func (c *Config) limits() chat.Limits { return chat.Limits(c.Limits) }

func (c *Config) store(log *slog.Logger) (db.Options, error) {
	o, err := mysql.Options(c.Database, c.RabbitMQ.Partitions)
	o.Limits, o.Logger = c.limits(), log
	return o, err
}

func (c *Config) state() (state.Options, error) {
	return redis.Options(c.Redis, c.RabbitMQ.prefix(), c.RabbitMQ.Partitions)
}

// refreshKey derives the key by which a refresh token's successor follows from it.
func (c *Config) refreshKey() []byte {
	mac := hmac.New(sha256.New, []byte(c.JWT.Secret.Reveal()))
	mac.Write([]byte("successor of a refresh token"))
	return mac.Sum(nil)
}

func (c *Config) api(log *slog.Logger, reg prometheus.Registerer) (api.Options, error) {
	proxies, err := chat.ParseProxies(c.Server.TrustedProxies)
	idle := time.Duration(c.Auth.IdleHours * float64(time.Hour))
	o := api.Options{
		Addr: net.JoinHostPort(c.Server.Host, c.Server.Port.String()), Release: c.Server.Release(), Closed: c.Auth.Registration == "closed", NoPasswords: !c.Auth.Passwords,
		Directory: c.Users.Directory,
		Limits:    c.limits(), Patience: chat.Patience,
		Sessions: api.SessionTimes{Idle: min(idle, c.JWT.Refresh()), Absolute: c.JWT.Refresh(), Grace: c.Auth.RefreshGrace.D()},
		Origins:  c.CORS.Origins, TrustedProxies: proxies, Log: log, Metrics: api.NewMetrics(reg),
	}
	if c.Server.Site {
		o.Site = web.Files
	}
	return o, err
}

// warnings lists what is accepted and seldom right.
func (c *Config) warnings() []string { return config.Warnings(c) }
