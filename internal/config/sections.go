package config

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Modes of Server.Mode.
const (
	ModeDebug   = "debug"
	ModeRelease = "release"
)

// Server is the public listener of a process.
type Server struct {
	// Host is the address to listen on; empty and 0.0.0.0 mean all.
	Host string `yaml:"host"`
	// Port is the TCP port; 0 lets the system choose.
	Port Port `yaml:"port"`
	// Mode is debug or release. Release refuses weak secrets and weak passwords.
	Mode string `yaml:"mode"`
	// GiveUp ends the process when a server has refused it for so long for a reason that waiting doesn't mend; 0: never.
	GiveUp Duration `yaml:"give_up"`
}

// DefaultGiveUp is long enough to correct a password, and short enough that a supervisor shows the mistake.
const DefaultGiveUp = Duration(2 * time.Minute)

// DefaultServer listens everywhere on port, in debug mode.
func DefaultServer(port Port) Server {
	return Server{Host: "0.0.0.0", Port: port, Mode: ModeDebug, GiveUp: DefaultGiveUp}
}

// Addr returns "host:port".
func (s Server) Addr() string { return net.JoinHostPort(s.Host, s.Port.String()) }

// Release reports whether the process runs in release mode.
func (s Server) Release() bool { return ServerMode{s.Mode, s.GiveUp}.Release() }

// Validate checks the mode and the time.
func (s Server) Validate() error { return ServerMode{s.Mode, s.GiveUp}.Validate() }

// ServerMode is the part of the section server that all processes share, those without a public port too.
type ServerMode struct {
	// Mode is debug or release. Release refuses weak secrets.
	Mode string `yaml:"mode"`
	// GiveUp ends the process when a server has refused it for so long for a reason that waiting doesn't mend; 0: never.
	GiveUp Duration `yaml:"give_up"`
}

// DefaultServerMode is debug mode.
func DefaultServerMode() ServerMode { return ServerMode{Mode: ModeDebug, GiveUp: DefaultGiveUp} }

// Release reports whether the process runs in release mode.
func (s ServerMode) Release() bool { return s.Mode == ModeRelease }

// Validate checks the mode and the time.
func (s ServerMode) Validate() error {
	if s.GiveUp < 0 {
		return fmt.Errorf("give_up: is %v: set 0 (never) or more", s.GiveUp)
	}
	if s.Mode != ModeDebug && s.Mode != ModeRelease {
		return fmt.Errorf("mode: is %q: set %s or %s", s.Mode, ModeDebug, ModeRelease)
	}
	return nil
}

// Database is the MySQL primary, and its replicas where there are some.
type Database struct {
	Host     string `yaml:"host"`
	Port     Port   `yaml:"port"`
	User     string `yaml:"user"`
	Password Secret `yaml:"password"`
	DBName   string `yaml:"dbname"`
	// Replicas are host:port pairs that serve reads, with the same user, password and database.
	Replicas []string `yaml:"replicas"`
	// TLS turns encryption on and verifies the server's certificate.
	TLS bool `yaml:"tls"`
	// TLSCA is the path of a PEM bundle to trust in place of the system's; it turns encryption on, too.
	TLSCA string `yaml:"tls_ca"`
	// TLSCert and TLSKey are paths of this process's own certificate and key, in PEM, where the server asks for one.
	TLSCert string `yaml:"tls_cert"`
	TLSKey  string `yaml:"tls_key"`
	// TLSName is the name that the server's certificate must have, if it isn't host's.
	TLSName string `yaml:"tls_name"`
	// MaxOpen bounds the connections per process to each server; 0 means no bound.
	MaxOpen int `yaml:"max_open"`
	// MaxIdle is how many of them stay open unused; 0 means none.
	MaxIdle int `yaml:"max_idle"`
	// ConnMaxLifetime closes a connection this long after it was opened; 0 means never.
	ConnMaxLifetime Duration `yaml:"conn_max_lifetime"`
	// ConnMaxIdleTime closes a connection unused for this long; 0 means never.
	ConnMaxIdleTime Duration `yaml:"conn_max_idle_time"`
	// DialTimeout bounds opening a connection.
	DialTimeout Duration `yaml:"dial_timeout"`
	// ReadTimeout bounds waiting for a server's answer.
	ReadTimeout Duration `yaml:"read_timeout"`
	// WriteTimeout bounds sending a statement.
	WriteTimeout Duration `yaml:"write_timeout"`
}

// DefaultDatabase is a server on this machine.
func DefaultDatabase() Database {
	return Database{
		Host: "localhost", Port: 3306, User: "root", DBName: "chat_service",
		MaxOpen: 32, MaxIdle: 32,
		ConnMaxLifetime: Duration(30 * time.Minute), ConnMaxIdleTime: Duration(5 * time.Minute),
		DialTimeout: Duration(5 * time.Second), ReadTimeout: Duration(30 * time.Second), WriteTimeout: Duration(30 * time.Second),
	}
}

// Addr returns the primary's "host:port".
func (d Database) Addr() string { return net.JoinHostPort(d.Host, d.Port.String()) }

// Validate checks the required settings and the form of addresses.
func (d Database) Validate() error {
	return errors.Join(
		present("host", d.Host), port("port", d.Port), present("user", d.User), present("dbname", d.DBName),
		addresses("replicas", d.Replicas), d.security().valid(),
		notNegative("max_open", d.MaxOpen), notNegative("max_idle", d.MaxIdle),
		notNegative("conn_max_lifetime", d.ConnMaxLifetime), notNegative("conn_max_idle_time", d.ConnMaxIdleTime),
		positive("dial_timeout", d.DialTimeout), positive("read_timeout", d.ReadTimeout), positive("write_timeout", d.WriteTimeout),
	)
}

// ValidateRelease refuses an empty or well-known password.
func (d Database) ValidateRelease() error {
	if d.Password.Empty() {
		return errors.New("password: is empty: server.mode release needs one (CHAT_DATABASE_PASSWORD or …_FILE)")
	}
	return hardPassword("password", d.Password.Reveal())
}

// ReleaseWarnings names what is allowed and wrong in most installations.
func (d Database) ReleaseWarnings() (ws []string) {
	if d.User == "root" {
		ws = append(ws, "user: is root: give each process a user with the rights that it needs (chatctl grants makes them)")
	}
	for _, addr := range append([]string{d.Addr()}, d.Replicas...) {
		if !d.security().wanted() && remote(addr) {
			ws = append(ws, "tls: is off, and "+addr+" is another machine: passwords and messages cross the network in the clear; "+
				"set database.tls: true, and database.tls_ca for a private authority")
		}
	}
	return ws
}

// remote reports whether host:port is not on this machine.
func remote(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	ip := net.ParseIP(host)
	return host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// Redis is one server, a cluster, or a set of sentinels.
type Redis struct {
	Host string `yaml:"host"`
	Port Port   `yaml:"port"`
	// Addrs, when given, take the place of host and port: nodes of a cluster, of which one is enough, or sentinels where master is set.
	Addrs []string `yaml:"addrs"`
	// Username is that of an ACL user; empty: the default user.
	Username string `yaml:"username"`
	Password Secret `yaml:"password"`
	// DB is the database's number; a cluster has only 0.
	DB int `yaml:"db"`
	// Master is the name the sentinels know the master by.
	Master string `yaml:"master"`
	// SentinelUsername and SentinelPassword are for the sentinels, which have users of their own.
	SentinelUsername string `yaml:"sentinel_username"`
	SentinelPassword Secret `yaml:"sentinel_password"`
	// TLS turns encryption on and verifies the server's certificate.
	TLS bool `yaml:"tls"`
	// TLSCA is the path of a PEM bundle to trust in place of the system's; it turns encryption on, too.
	TLSCA string `yaml:"tls_ca"`
	// TLSCert and TLSKey are paths of this process's own certificate and key, in PEM, where the server asks for one.
	TLSCert string `yaml:"tls_cert"`
	TLSKey  string `yaml:"tls_key"`
	// TLSName is the name that the servers' certificates must have, if it isn't their host's.
	TLSName string `yaml:"tls_name"`
}

// DefaultRedis is a server on this machine.
func DefaultRedis() Redis { return Redis{Host: "localhost", Port: 6379} }

// Addresses returns addrs, or the one made of host and port.
func (r Redis) Addresses() []string {
	if len(r.Addrs) > 0 {
		return slices.Clone(r.Addrs)
	}
	return []string{net.JoinHostPort(r.Host, r.Port.String())}
}

// Validate checks the addresses and the database's number.
func (r Redis) Validate() error {
	errs := []error{addresses("addrs", r.Addrs), notNegative("db", r.DB), r.security().valid()}
	if len(r.Addrs) == 0 {
		errs = append(errs, present("host", r.Host), port("port", r.Port))
	}
	if r.DB != 0 && len(r.Addrs) > 1 && r.Master == "" {
		errs = append(errs, errors.New("db: a cluster has only database 0: set 0, or name the sentinels' master"))
	}
	if r.Username != "" && r.Password.Empty() {
		errs = append(errs, errors.New("username: is set without a password: set redis.password, too"))
	}
	return errors.Join(errs...)
}

// ValidateRelease refuses a well-known password. An empty one may be right behind a closed network.
func (r Redis) ValidateRelease() error { return hardPassword("password", r.Password.Reveal()) }

// ReleaseWarnings names what is allowed and wrong in most installations.
func (r Redis) ReleaseWarnings() (ws []string) {
	far := slices.ContainsFunc(r.Addresses(), remote)
	if far && !r.security().wanted() {
		ws = append(ws, "tls: is off, and Redis is on another machine: who was online and what was said lately cross the network in the clear; "+
			"set redis.tls: true, and redis.tls_ca for a private authority")
	}
	if far && r.Password.Empty() {
		ws = append(ws, "password: is empty, and Redis is on another machine: whoever reaches it can read and forge; set redis.password, "+
			"and redis.username for a user with few rights (chatctl grants makes it)")
	}
	return ws
}

// Types of RabbitMQ.QueueType.
const (
	QueueQuorum  = "quorum"
	QueueClassic = "classic"
)

// RabbitMQ is the broker, one node or a cluster.
type RabbitMQ struct {
	// URL is amqp://user:password@host:port/vhost, amqps:// for TLS.
	URL Secret `yaml:"url"`
	// URLs, when given, take the place of url: the nodes of one cluster, so all with the same user, password and virtual host.
	URLs []Secret `yaml:"urls"`
	// TLSCA is the path of a PEM bundle to trust in place of the system's, for an amqps:// URL.
	TLSCA string `yaml:"tls_ca"`
	// TLSCert and TLSKey are paths of this process's own certificate and key, in PEM, where the broker asks for one.
	TLSCert string `yaml:"tls_cert"`
	TLSKey  string `yaml:"tls_key"`
	// TLSName is the name that the broker's certificate must have, if it isn't the URL's host.
	TLSName string `yaml:"tls_name"`
	// Exchange is the prefix of all exchange and queue names; what follows its first dot is cut off.
	Exchange string `yaml:"exchange"`
	// Queue is accepted and not used: queues are named after exchange.
	Queue string `yaml:"queue"`
	// QueueType of the inbound queues: quorum survives the loss of a node, classic suits a single one.
	QueueType string `yaml:"queue_type"`
	// Partitions is the number of inbound queues, 1 to 1,024: the same in every process, and fixed once the
	// installation has run (docs/operations.md says how to change it).
	Partitions int `yaml:"partitions"`
}

// DefaultRabbitMQ is a broker on this machine.
func DefaultRabbitMQ() RabbitMQ {
	return RabbitMQ{URL: NewSecret("amqp://guest:guest@localhost:5672/"), URLs: []Secret{}, Exchange: "chat.exchange", QueueType: QueueQuorum, Partitions: 16}
}

// Prefix returns exchange up to its first dot: "chat.exchange" → "chat".
func (r RabbitMQ) Prefix() string {
	prefix, _, _ := strings.Cut(r.Exchange, ".")
	return prefix
}

// Addresses returns urls, or the one url.
func (r RabbitMQ) Addresses() []string {
	if len(r.URLs) == 0 {
		return []string{r.URL.Reveal()}
	}
	out := make([]string, len(r.URLs))
	for i, u := range r.URLs {
		out[i] = u.Reveal()
	}
	return out
}

// Encrypted reports whether connections are encrypted, as the scheme says.
func (r RabbitMQ) Encrypted() bool { return r.security().on }

// Shuffle puts urls into an order of this process's own, so that the processes of an installation spread over a cluster's nodes.
func (r RabbitMQ) Shuffle() {
	rand.Shuffle(len(r.URLs), func(i, j int) { r.URLs[i], r.URLs[j] = r.URLs[j], r.URLs[i] })
}

// key names an address in an error: the key, and the entry if there are several.
func (r RabbitMQ) key(i int) string {
	if len(r.URLs) == 0 {
		return "url"
	}
	return fmt.Sprintf("urls: entry %d", i+1)
}

// nodes reads the addresses, nil where one can't be read. The errors never hold an address: it has a password.
func (r RabbitMQ) nodes() (us []*url.URL, err error) {
	var errs []error
	for i, text := range r.Addresses() {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "amqp" && u.Scheme != "amqps" {
			errs = append(errs, fmt.Errorf("%s: must be amqp://user:password@host:port/vhost, or amqps:// for TLS (write a comma in it as %%2C)", r.key(i)))
			u = nil
		}
		us = append(us, u)
	}
	return us, errors.Join(errs...)
}

// oneCluster reports addresses that can't be nodes of one cluster, or that are there twice.
func oneCluster(us []*url.URL) error {
	var errs []error
	first, seen := us[0], map[string]bool{}
	for i, u := range us {
		if u == nil || first == nil {
			continue
		}
		differs := func(what string) {
			errs = append(errs, fmt.Errorf("urls: entry %d (%s) has another %s than entry 1 (%s): they must be the nodes of one cluster, reached in "+
				"the same way; another cluster is another installation", i+1, u.Host, what, first.Host))
		}
		a, _ := first.User.Password()
		b, _ := u.User.Password()
		switch {
		case vhost(u) != vhost(first):
			differs("virtual host")
		case u.User.Username() != first.User.Username():
			differs("user")
		case a != b:
			differs("password")
		case u.Scheme != first.Scheme:
			differs("scheme")
		case seen[u.Host]:
			errs = append(errs, fmt.Errorf("urls: entry %d: %s is there twice", i+1, u.Host))
		}
		seen[u.Host] = true
	}
	return errors.Join(errs...)
}

func vhost(u *url.URL) string { return cmp.Or(strings.TrimPrefix(u.Path, "/"), "/") }

// Warnings reports what has no effect: a queue name, and TLS settings for a URL without TLS.
func (r RabbitMQ) Warnings() (ws []string) {
	if r.Queue != "" {
		ws = append(ws, "queue: is not used: queues are named "+r.Prefix()+".in.<partition>; remove it")
	}
	if err := r.unused(); err != nil {
		ws = append(ws, err.Error())
	}
	return ws
}

// unused reports TLS settings that the URL's scheme leaves unused.
func (r RabbitMQ) unused() error {
	if s := r.security(); !s.on && s != (security{section: s.section}) {
		return errors.New("tls_ca: is not used, nor are tls_cert, tls_key and tls_name, because the URL begins with amqp://: nothing is encrypted; write amqps://")
	}
	return nil
}

// Validate checks the URL, the prefix and the queue type. Its errors never hold the URL.
func (r RabbitMQ) Validate() error {
	us, err := r.nodes()
	errs := []error{err, oneCluster(us)}
	if r.Prefix() == "" {
		errs = append(errs, errors.New("exchange: must begin with the prefix of all names, such as chat"))
	}
	if r.QueueType != QueueQuorum && r.QueueType != QueueClassic {
		errs = append(errs, fmt.Errorf("queue_type: is %q: set %s or %s", r.QueueType, QueueQuorum, QueueClassic))
	}
	errs = append(errs, r.security().valid())
	if r.Partitions < 1 || r.Partitions > 1024 {
		errs = append(errs, fmt.Errorf("partitions: is %d: set 1 to 1024, the same in every process", r.Partitions))
	}
	return errors.Join(errs...)
}

// ValidateRelease refuses an empty or well-known password in the URL.
func (r RabbitMQ) ValidateRelease() error {
	us, _ := r.nodes() // Validate says what is wrong with those that can't be read, and where passwords differ
	var password string
	if us[0] != nil {
		password, _ = us[0].User.Password()
	}
	if password == "" || wellKnown(password) {
		return errors.Join(r.unused(), errors.New(r.key(0)+": has no password or a well-known one: give each process a user of its own "+
			"(chatctl grants makes them), in CHAT_RABBITMQ_URL or …_FILE"))
	}
	return errors.Join(r.unused(), hardPassword(r.key(0)+": its password", password))
}

// ReleaseWarnings names what is allowed and wrong in most installations.
func (r RabbitMQ) ReleaseWarnings() (ws []string) {
	us, _ := r.nodes()
	for i, u := range us {
		if u != nil && u.Scheme == "amqp" && remote(u.Host) {
			ws = append(ws, r.key(i)+": is amqp:// to another machine ("+u.Host+"): passwords and messages cross the network in the clear; use amqps://, "+
				"and rabbitmq.tls_ca for a private authority")
		}
	}
	return ws
}

// Debug is the second listener, for metrics, health and profiles. It is not for the public.
type Debug struct {
	// Host is the address to listen on: loopback unless something on another machine must scrape it.
	Host string `yaml:"host"`
	// Port is the TCP port; 0 lets the system choose.
	Port Port `yaml:"port"`
}

// DefaultDebug listens on loopback.
func DefaultDebug(port Port) Debug { return Debug{Host: "127.0.0.1", Port: port} }

// Addr returns "host:port".
func (d Debug) Addr() string { return net.JoinHostPort(d.Host, d.Port.String()) }

// ReleaseWarnings names a listener for everybody.
func (d Debug) ReleaseWarnings() []string {
	if ip := net.ParseIP(d.Host); d.Host == "" || ip != nil && ip.IsUnspecified() {
		return []string{"host: listens on all interfaces: metrics and profiles are for operators; set an address that only they reach"}
	}
	return nil
}

// Log says how much is logged, and how.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is json or text.
	Format string `yaml:"format"`
}

// DefaultLog logs as JSON from info on.
func DefaultLog() Log { return Log{Level: "info", Format: "json"} }

// Validate checks level and format.
func (l Log) Validate() error {
	var errs []error
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, l.Level) {
		errs = append(errs, fmt.Errorf("level: is %q: set debug, info, warn or error", l.Level))
	}
	if l.Format != "json" && l.Format != "text" {
		errs = append(errs, fmt.Errorf("format: is %q: set json or text", l.Format))
	}
	return errors.Join(errs...)
}
