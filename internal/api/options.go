package api

import (
	"cmp"
	"io/fs"
	"log/slog"
	"time"

	"chat-service/internal/chat"
)

// bodyLimit bounds a request's body in bytes: JSON may spend six on one of a message's, as an escape, and of its data.
func bodyLimit(l chat.Limits) int {
	return max(64<<10, 6*(cmp.Or(l.MessageBytes, 1<<20)+cmp.Or(l.DataBytes, 1<<20))+8<<10)
}

// bodyLimits are the limits that fields of bodies have.
func bodyLimits(l chat.Limits) map[string]int {
	return map[string]int{"message_bytes": l.MessageBytes, "members_call": l.MembersCall}
}

// SessionTimes bound a login session.
type SessionTimes struct {
	Idle     time.Duration // without a refresh
	Absolute time.Duration // however busy
	Grace    time.Duration // how long a used refresh token still works, for answers that got lost
}

// Options are what a server is made from, besides its ports.
type Options struct {
	// Addr is the "host:port" to listen on.
	Addr string
	// Release adds headers that make sense only behind TLS.
	Release bool
	// Closed refuses registrations: accounts are made in another way.
	Closed bool
	// NoPasswords refuses to register, to log in and to change a password by one: users come by tokens of the application's issuer.
	NoPasswords bool
	// Directory says whom users may look up; "" is DirectoryAll.
	Directory chat.Directory
	// Patience is how long logins and new accounts of an address, and new rooms of a user, wait for each other; 0: what is too much is refused
	// at once.
	Patience time.Duration
	// Limits are those of an installation; the api judges those of chat.ByAPI. Zero turns one off.
	Limits chat.Limits
	// Sessions may be left zero: 7 days idle, 30 days in all, 10 s of grace.
	Sessions SessionTimes
	// Origins may call from a browser (scheme://host[:port], exact); "*" is any.
	Origins []string
	// TrustedProxies may name the client's address in X-Forwarded-For.
	TrustedProxies chat.Proxies
	// Site, if set, is served at /.
	Site    fs.FS
	Log     *slog.Logger
	Metrics *Metrics
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// withDefaults fills in what may be left zero.
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
	o.Directory = cmp.Or(o.Directory, chat.DirectoryAll)
	if o.Sessions == (SessionTimes{}) {
		o.Sessions = SessionTimes{Idle: 7 * day, Absolute: 30 * day, Grace: 10 * time.Second}
	}
	return o
}
