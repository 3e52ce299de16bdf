package db

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"

	"chat-service/internal/chat"
)

// sqlMode is the same on every server, so that MariaDB and MySQL refuse the same rows.
const sqlMode = "'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"

// Hooks are called by the store as things happen, for metrics. Nil ones are skipped; they must not block.
type Hooks struct {
	Tx          func(verb string, took time.Duration, err error) // a transaction of Tx has ended, with all its retries
	Retry       func(verb, why string)                           // it is about to run again
	HistoryRead func(replica bool)                               // which server answered a History
}

// Options says how to reach the primary and its replicas, and what the rules allow.
type Options struct {
	Host     string // of the primary; default 127.0.0.1
	Port     int    // default 3306
	User     string // default root
	Password string
	DBName   string      // default chat_service
	Replicas []string    // host:port, same user, password and database
	TLS      *tls.Config // nil: no encryption

	MaxOpen         int           // connections per server; default 32, negative: no bound
	MaxIdle         int           // default MaxOpen, so that a burst doesn't dial; negative: none
	ConnMaxLifetime time.Duration // default 3 min: a failed-over name is followed by then; negative: for ever
	ConnMaxIdleTime time.Duration // default 1 min; negative: for ever
	Timeout         time.Duration // dial; default 5 s
	ReadTimeout     time.Duration // one answer; default 30 s
	WriteTimeout    time.Duration // one statement; default 30 s

	Partitions int              // of the installation; default 16
	Limits     chat.Limits      // zero fields mean no limit
	Now        func() time.Time // default time.Now
	Logger     *slog.Logger     // default: discards
	Hooks      Hooks
}

// withDefaults fills what is zero.
func (o Options) withDefaults() Options {
	setDefault(&o.Host, "127.0.0.1")
	setDefault(&o.Port, 3306)
	setDefault(&o.User, "root")
	setDefault(&o.DBName, "chat_service")
	setDefault(&o.MaxOpen, 32)
	setDefault(&o.MaxIdle, max(o.MaxOpen, 32))
	setDefault(&o.ConnMaxLifetime, 3*time.Minute)
	setDefault(&o.ConnMaxIdleTime, time.Minute)
	setDefault(&o.Timeout, 5*time.Second)
	setDefault(&o.ReadTimeout, 30*time.Second)
	setDefault(&o.WriteTimeout, 30*time.Second)
	setDefault(&o.Partitions, 16)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Validate reports everything that is wrong together.
func (o Options) Validate() error {
	o = o.withDefaults()
	var errs []error
	if o.Port < 1 || o.Port > 65535 {
		errs = append(errs, fmt.Errorf("port: %d is not a TCP port", o.Port))
	}
	for _, r := range o.Replicas {
		if _, _, err := net.SplitHostPort(r); err != nil {
			errs = append(errs, fmt.Errorf("replicas: %q: want host:port: %w", r, err))
		}
	}
	if o.Partitions < 1 || o.Partitions > 1024 {
		errs = append(errs, fmt.Errorf("partitions: is %d: must be 1 … 1024", o.Partitions))
	}
	if o.Timeout < 0 || o.ReadTimeout < 0 || o.WriteTimeout < 0 {
		errs = append(errs, errors.New("timeouts: must not be negative"))
	}
	return errors.Join(errs...)
}

func (o Options) primary() string { return net.JoinHostPort(o.Host, strconv.Itoa(o.Port)) }

// driverConfig is the driver's view of one server. Parameters are interpolated by the driver, which saves the
// round trip of a prepare; that is safe because the connection speaks utf8mb4 and multiStatements stays off.
func (o Options) driverConfig(addr string) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName = o.User, o.Password, o.DBName
	c.Net, c.Addr, c.TLS = "tcp", addr, o.TLS
	c.Collation = "utf8mb4_bin"
	c.ParseTime, c.Loc = true, time.UTC
	c.InterpolateParams = true
	c.ClientFoundRows = true // an UPDATE to the same values still counts the row
	c.Timeout, c.ReadTimeout, c.WriteTimeout = o.Timeout, o.ReadTimeout, o.WriteTimeout
	c.Params = map[string]string{"sql_mode": sqlMode}
	c.Logger = &mysql.NopLogger{}
	return c
}

// serverConfig is driverConfig for an operator's questions to the primary: no database is chosen, so that it works
// before there is one, and the server is taken as it is, with its own sql_mode.
func (o Options) serverConfig() *mysql.Config {
	c := o.driverConfig(o.primary())
	c.DBName, c.Params = "", nil
	c.ClientFoundRows = false
	return c
}
