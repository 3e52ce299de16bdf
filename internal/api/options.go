package api

import (
	"cmp"
	"io/fs"
	"log/slog"
	"net/netip"
	"time"

	"chat-service/internal/chat"
)

// Sizes and times that are part of the contract or of the server's safety, not of an installation's taste.
const (
	headerLimit      = 16 << 10
	readTimeout      = 10 * time.Second
	writeTimeout     = 30 * time.Second
	idleTimeout      = 75 * time.Second
	defaultListLimit = 50
	maxListLimit     = 200
	defaultPageSize  = 20
	maxPageSize      = 100
	maxPresence      = 200
	// liveFor is how long a session's validity is believed: a logout elsewhere ends REST access within it.
	liveFor      = 3 * time.Second
	liveSessions = 20_000 // whose validity is remembered at most
)

// Limits are those of an installation. Zero turns one off.
type Limits struct{ chat.Limits }

// body bounds a request's body: a content may be all escapes. Four times as much is read, so that a 413 is heard and not a reset.
func (l Limits) body() int {
	return max(64<<10, 6*cmp.Or(l.MessageBytes, 1<<20)+8<<10)
}

// DefaultLimits are what configs/api.yaml starts from.
func DefaultLimits() Limits { return Limits{chat.DefaultLimits()} }

// SessionTimes bound a login session.
type SessionTimes struct {
	Idle     time.Duration // without a refresh
	Absolute time.Duration // however busy
	Grace    time.Duration // how long a used refresh token still works, for answers that got lost
}

// Options are what a Server is made from, besides its ports.
type Options struct {
	// Addr is the "host:port" to listen on.
	Addr string
	// Release adds headers that make sense behind TLS only.
	Release bool
	Limits  Limits
	// Sessions may be left zero: 7 days idle, 30 days in all, 10 s of grace.
	Sessions SessionTimes
	// Origins may call from a browser (scheme://host[:port], exact); "*" is any.
	Origins []string
	// TrustedProxies may name the client's address in X-Forwarded-For.
	TrustedProxies []netip.Prefix
	// Site, where set, is served at /.
	Site    fs.FS
	Log     *slog.Logger
	Metrics *Metrics
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	const day = 24 * time.Hour
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sessions == (SessionTimes{}) {
		o.Sessions = SessionTimes{Idle: 7 * day, Absolute: 30 * day, Grace: 10 * time.Second}
	}
	return o
}
