package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"chat-service/configs"
	"chat-service/internal/broker"
	"chat-service/internal/chat"
	"chat-service/internal/config"
	"chat-service/internal/gateway"
	"chat-service/internal/wiring/rabbit"
)

// Config is the configuration of the process: configs/gateway.yaml.
type Config struct {
	Server   Server          `yaml:"server"`
	RabbitMQ config.RabbitMQ `yaml:"rabbitmq"`
	JWT      config.JWT      `yaml:"jwt"`
	Gateway  Gateway         `yaml:"gateway"`
	Limits   Limits          `yaml:"limits"`
	Debug    config.Debug    `yaml:"debug"`
	Log      config.Log      `yaml:"log"`
}

// Server is the public listener.
type Server struct {
	// Host is the address to listen on; empty and 0.0.0.0 mean all.
	Host string `yaml:"host"`
	// Port is the TCP port; 0 lets the system choose.
	Port config.Port `yaml:"port"`
	// Mode is debug or release. Release refuses weak secrets.
	Mode string `yaml:"mode"`
	// GiveUp ends the process when a server has refused it for so long for a reason that waiting doesn't mend; 0: never.
	GiveUp config.Duration `yaml:"give_up"`
	// TrustedProxies are addresses or networks that may name the client in X-Forwarded-For.
	TrustedProxies []string `yaml:"trusted_proxies"`
}

func (s Server) listener() config.Server {
	return config.Server{Host: s.Host, Port: s.Port, Mode: s.Mode, GiveUp: s.GiveUp}
}

// Release reports whether the process runs in release mode.
func (s Server) Release() bool { return s.listener().Release() }

// Validate checks the mode, the time and the proxies.
func (s Server) Validate() error {
	_, err := chat.ParseProxies(s.TrustedProxies)
	return errors.Join(s.listener().Validate(), err)
}

// Gateway is the section gateway: how the station is tuned.
type Gateway struct {
	// ID names the gateway; if it is empty, the host's name does. Two that run at the same time may share it.
	ID string `yaml:"id"`
	// Origins may open sockets from a browser besides the gateway's own host.
	Origins []string `yaml:"origins"`
	// MaxSockets bounds the open sockets; 0: off.
	MaxSockets int `yaml:"max_sockets"`
	// SocketsPerSecond paces new sockets; 0: off.
	SocketsPerSecond int `yaml:"sockets_per_second"`
	// PingInterval is the pause between pings.
	PingInterval config.Duration `yaml:"ping_interval"`
	// AuthTimeout bounds the wait for the first frame of a socket without a token.
	AuthTimeout config.Duration `yaml:"auth_timeout"`
	// ConnectTimeout bounds the wait for a worker's welcome.
	ConnectTimeout config.Duration `yaml:"connect_timeout"`
	// AnswerTimeout bounds the wait for the answer to a message.
	AnswerTimeout config.Duration `yaml:"answer_timeout"`
	// QueueBytes bounds what waits to be written to one socket.
	QueueBytes int `yaml:"queue_bytes"`
	// SocketWindow bounds one socket's unanswered messages.
	SocketWindow int `yaml:"socket_window"`
	// WindowCommands and WindowBytes bound the commands in flight, of all sockets.
	WindowCommands int `yaml:"window_commands"`
	WindowBytes    int `yaml:"window_bytes"`
	// HeldEntries and HeldBytes bound what a room holds behind a gap.
	HeldEntries int `yaml:"held_entries"`
	HeldBytes   int `yaml:"held_bytes"`
	// Drain is the time over which a stop spreads the closing of the sockets.
	Drain config.Duration `yaml:"drain"`
	// BusPatience is how long RabbitMQ may be unavailable before sockets are refused and closed.
	BusPatience config.Duration `yaml:"bus_patience"`
}

// Validate checks the ranges.
func (g Gateway) Validate() error {
	var errs []error
	for key, n := range map[string]int{"max_sockets": g.MaxSockets, "sockets_per_second": g.SocketsPerSecond} {
		if n < 0 {
			errs = append(errs, fmt.Errorf("%s: is %d: set 0 (off) or more", key, n))
		}
	}
	for key, n := range map[string]int{"socket_window": g.SocketWindow, "window_commands": g.WindowCommands, "held_entries": g.HeldEntries} {
		if n < 1 {
			errs = append(errs, fmt.Errorf("%s: is %d: set 1 or more", key, n))
		}
	}
	for key, n := range map[string]int{"queue_bytes": g.QueueBytes, "window_bytes": g.WindowBytes, "held_bytes": g.HeldBytes} {
		if n < 64<<10 || n > 1<<30 {
			errs = append(errs, fmt.Errorf("%s: is %d: set 65536 to 1073741824", key, n))
		}
	}
	for key, d := range map[string]config.Duration{
		"auth_timeout": g.AuthTimeout, "connect_timeout": g.ConnectTimeout,
		"answer_timeout": g.AnswerTimeout, "bus_patience": g.BusPatience,
	} {
		if d.D() < 100*time.Millisecond || d.D() > 5*time.Minute {
			errs = append(errs, fmt.Errorf("%s: is %v: set 100ms to 5m", key, d))
		}
	}
	if g.PingInterval.D() < time.Second || g.PingInterval.D() > 10*time.Minute {
		errs = append(errs, fmt.Errorf("ping_interval: is %v: set 1s to 10m", g.PingInterval))
	}
	if g.Drain.D() < 100*time.Millisecond || g.Drain.D() > 10*time.Minute {
		errs = append(errs, fmt.Errorf("drain: is %v: set 100ms to 10m", g.Drain))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// ValidateRelease refuses origins that allow every site to open sockets.
func (g Gateway) ValidateRelease() error {
	if slices.Contains(g.Origins, "*") {
		return errors.New("origins: has *: server.mode release needs the origins that may open sockets, as scheme://host")
	}
	return nil
}

// Limits are those of the installation that the gateway reads.
type Limits chat.Limits

// ConfigKeys lists them.
func (Limits) ConfigKeys() []string { return chat.LimitKeys(chat.ByGateway) }

// Validate checks the ranges.
func (l Limits) Validate() error {
	errs := []error{chat.Limits(l).Validate()}
	if l.FrameBytes > gateway.MaxFrame {
		errs = append(errs, fmt.Errorf("frame_bytes: is %d: set at most %d; 0 is that", l.FrameBytes, gateway.MaxFrame))
	}
	return errors.Join(errs...)
}

func defaults() Config {
	return Config{
		Server: Server{
			Host: "0.0.0.0", Port: 8081, Mode: config.ModeDebug, GiveUp: config.DefaultGiveUp, TrustedProxies: []string{"127.0.0.0/8", "::1"},
		},
		RabbitMQ: config.DefaultRabbitMQ(), JWT: config.DefaultJWT(),
		Debug: config.DefaultDebug(9101), Log: config.DefaultLog(),
		Gateway: Gateway{
			SocketsPerSecond: 2000, PingInterval: config.Duration(25 * time.Second), AuthTimeout: config.Duration(5 * time.Second),
			ConnectTimeout: config.Duration(10 * time.Second), AnswerTimeout: config.Duration(10 * time.Second),
			QueueBytes: 256 << 10, SocketWindow: 256, WindowCommands: 16 << 10, WindowBytes: 64 << 20,
			HeldEntries: 1024, HeldBytes: 1 << 20, Drain: config.Duration(10 * time.Second), BusPatience: config.Duration(20 * time.Second),
		},
		Limits: Limits(chat.DefaultLimits().For(chat.ByGateway)),
	}
}

// identity returns the gateway's name and a random id for this boot.
func (c *Config) identity() (name, boot string, err error) {
	name = c.Gateway.ID
	if name == "" {
		if name, err = os.Hostname(); err != nil {
			return "", "", fmt.Errorf("gateway.id: is empty, and the host has no name: %w", err)
		}
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, name)
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return name[:min(len(name), 48)], strconv.FormatUint(binary.BigEndian.Uint64(b[:])>>16, 36), nil
}

// broker returns what makes the options of a connection out of its name.
func (c *Config) broker(log *slog.Logger, m *broker.Metrics) (func(name string) broker.Options, error) {
	o, err := rabbit.Options(c.RabbitMQ)
	o.Looks, o.Logger, o.Metrics = true, log, m
	return func(name string) broker.Options { o.Name = name; return o }, err
}

func (c *Config) gateway(name, boot string) gateway.Options {
	g, l := c.Gateway, c.Limits
	proxies, _ := chat.ParseProxies(c.Server.TrustedProxies) // its errors were reported when the configuration was read
	o := gateway.Options{
		ID: chat.GatewayID(name + "." + boot), Partitions: c.RabbitMQ.Partitions, Addr: c.Server.listener().Addr(), Origins: g.Origins,
		MaxSockets: g.MaxSockets, SocketsPerSecond: g.SocketsPerSecond,
		Frames: chat.Limits(l), Bounds: chat.Limits(l), TrustedProxies: proxies,
		MessagesPerSecond: l.MessagesPerSecond, MessageBurst: l.MessageBurst, PingInterval: g.PingInterval.D(),
		AuthTimeout: g.AuthTimeout.D(), ConnectTimeout: g.ConnectTimeout.D(), AnswerTimeout: g.AnswerTimeout.D(),
		QueueBytes: g.QueueBytes, SocketWindow: g.SocketWindow, WindowCommands: g.WindowCommands, WindowBytes: g.WindowBytes,
		HeldEntries: g.HeldEntries, HeldBytes: g.HeldBytes, Drain: g.Drain.D(), BusPatience: g.BusPatience.D(),
	}
	if !c.Server.Release() && len(o.Origins) == 0 {
		o.Origins = []string{"*"}
	}
	return o
}

// stopTimeout is the drain window and time for everything after it.
func (c *Config) stopTimeout() time.Duration { return c.Gateway.Drain.D() + 20*time.Second }

// load reads the file and the environment. The variables of other processes are no error.
func (c *Config) load(path string) error {
	err := config.Load(path, c, config.Shared(configs.Files))
	c.RabbitMQ.Shuffle()
	return err
}

func (c *Config) print(w io.Writer) error { return config.Print(w, *c) }

// warnings lists what is accepted and seldom right.
func (c *Config) warnings() []string { return config.Warnings(c) }
