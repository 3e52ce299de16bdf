package state

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"chat-service/internal/chat"
	"chat-service/internal/trust"
)

// Options say where Redis is and how long it may take. Zero values take the defaults named here.
type Options struct {
	Addrs    []string // host:port pairs: one server, nodes of a cluster (one is enough), or sentinels where Master is set
	Host     string   // with Port, where Addrs is empty: localhost
	Port     int      // 6379
	Username string   // of an ACL user; "": the default one
	Password string
	DB       int    // a cluster has only 0
	Master   string // the name the sentinels know the master by
	TLS      *tls.Config

	SentinelUsername, SentinelPassword string

	PoolSize   int           // connections per server: 16
	Timeout    time.Duration // what a verb may cost: 100 ms
	Prefix     string        // in front of every key: "chat"
	Partitions int           // P of the installation: 16

	Failures int           // failures in a row that open the breaker: 3
	Pause    time.Duration // from one probe of an open breaker to the next: 250 ms
	Settle   time.Duration // how long a route that was unknown stays so, for gateways to attach: 5 s
	Grace    time.Duration // lease of a gateway that registers a socket before its first beat: 15 s, so that two may be lost
}

func (o Options) withDefaults() Options {
	if len(o.Addrs) == 0 {
		o.Addrs = []string{net.JoinHostPort(or(o.Host, "localhost"), strconv.Itoa(or(o.Port, 6379)))}
	}
	o.PoolSize = or(o.PoolSize, 16)
	o.Timeout = or(o.Timeout, 100*time.Millisecond)
	o.Prefix = or(o.Prefix, "chat")
	o.Partitions = or(o.Partitions, 16)
	o.Failures = or(o.Failures, 3)
	o.Pause = or(o.Pause, 250*time.Millisecond)
	o.Settle = or(o.Settle, 5*time.Second)
	o.Grace = or(o.Grace, 15*time.Second)
	return o
}

func or[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// Open makes a State; connections are made when they are needed, so an unavailable Redis does not prevent a start.
// It silences the driver's own log, which is one for the whole process: what matters comes back as errors.
func Open(o Options, m *Metrics) *State {
	o = o.withDefaults()
	redis.SetLogger(&logging.VoidLogger{})
	s := &State{opt: o, prefix: o.Prefix, metrics: m, breaker: &breaker{limit: o.Failures, pause: o.Pause}}
	s.client.Store(&client{o.dial(false)})
	return s
}

// dial makes a client; cluster: the one address is a node of one.
func (o Options) dial(cluster bool) redis.UniversalClient {
	return redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: o.Addrs, IsClusterMode: cluster, Username: o.Username, Password: o.Password, DB: o.DB, MasterName: o.Master, TLSConfig: o.TLS,
		SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword,
		PoolSize: o.PoolSize, PoolTimeout: o.Timeout, MaxRetries: -1, DialerRetries: 1,
		// A dial may outlive the verb that asked for it, in the background, so it gets more time.
		DialTimeout: o.Timeout * 5 / 2, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout,
		ContextTimeoutEnabled: true, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// Close closes all connections; verbs under way fail.
func (s *State) Close() error {
	s.joining.Lock()
	defer s.joining.Unlock()
	s.closed = true
	err := s.rdb().Close()
	if s.before != nil {
		err = errors.Join(err, s.before.Close())
	}
	return err
}

// Ready reports whether Redis answers, by asking it (or the breaker, while that is open).
func (s *State) Ready(ctx context.Context) error {
	return s.lasting(s.do(ctx, "ready", func(ctx context.Context) error { return s.rdb().Ping(ctx).Err() }))
}

// lasting makes a refusal permanent that waiting doesn't mend.
func (s *State) lasting(err error) error {
	do := trust.Redis.Do(err)
	switch {
	case err == nil || do != "":
	case redis.IsPermissionError(err):
		do = "give the user its role's commands and keys: chatctl grants prints them, and applies them with --apply"
	case redis.IsAuthError(err), strings.Contains(err.Error(), "without any password configured"):
		do = "correct redis.username and redis.password"
	case strings.Contains(err.Error(), "not allowed in cluster mode"):
		do = "set redis.db to 0: a cluster has only that database"
	}
	if do == "" {
		return err
	}
	where := "redis " + strings.Join(s.opt.Addrs, ", ")
	if s.opt.Username != "" {
		where += ", user " + s.opt.Username
	}
	return &chat.PermanentError{Where: where, Err: err, Do: do}
}

// Check judges the server's settings at a start: an eviction policy other than noeviction is an error of kind Invalid,
// because Redis would drop sockets and routes silently. What can't be seen becomes a warning. An unavailable Redis is
// an error of kind Unavailable, which need not keep a process from starting.
func (s *State) Check(ctx context.Context) (warnings []string, err error) {
	var policies map[string]string
	err = s.do(ctx, "check", func(ctx context.Context) error {
		policies, err = s.policies(ctx)
		return err
	})
	var refused redis.Error
	if errors.As(err, &refused) && !redis.IsAuthError(err) {
		return []string{"can't read maxmemory-policy (" + refused.Error() + "): make sure that it is noeviction"}, nil
	}
	if err != nil {
		return nil, s.lasting(err)
	}
	for addr, p := range policies {
		if p != "noeviction" {
			return nil, chat.E(chat.Invalid, "redis %s has maxmemory-policy %s: set noeviction, or it drops sockets and routes silently", addr, p)
		}
	}
	return nil, nil
}

// Admit is Check at a process' start: warnings, and an unavailable Redis, go to the log, since everything degrades gracefully
// without it.
func (s *State) Admit(ctx context.Context, log *slog.Logger) error {
	warnings, err := s.Check(ctx)
	if l, err := s.Layout(ctx); err == nil || len(l.Sentinels) > 0 {
		warnings = append(warnings, l.Warnings()...)
	}
	for _, w := range warnings {
		log.WarnContext(ctx, "redis", "warning", w)
	}
	if chat.KindOf(err) == chat.Unavailable {
		log.WarnContext(ctx, "redis is unavailable; going on without it", "err", err)
		return nil
	}
	return err
}

func (s *State) policies(ctx context.Context) (map[string]string, error) {
	one := func(ctx context.Context, c *redis.Client, out map[string]string) error {
		// Not CONFIG GET: whoever may call it for one setting may read all of them, the server's own password included.
		info, err := c.InfoMap(ctx, "memory", "cluster").Result()
		if err != nil {
			return err
		}
		if info["Cluster"]["cluster_enabled"] == "1" {
			s.join()
		}
		out[c.Options().Addr] = info["Memory"]["maxmemory_policy"]
		return nil
	}
	out := map[string]string{}
	switch c := s.rdb().(type) {
	case *redis.Client:
		if err := one(ctx, c, out); err != nil || !s.inCluster() {
			return out, err
		}
		return s.policies(ctx) // of all nodes
	case *redis.ClusterClient:
		nodes := make(chan *redis.Client, 64) // ForEachMaster calls concurrently; what exceeds it waits for ctx
		err := c.ForEachMaster(ctx, func(ctx context.Context, n *redis.Client) error {
			select {
			case nodes <- n:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		close(nodes)
		for n := range nodes {
			if err == nil {
				err = one(ctx, n, out)
			}
		}
		return out, err
	}
	return out, nil
}
