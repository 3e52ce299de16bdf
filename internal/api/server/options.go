package server

import (
	"io/fs"
	"log/slog"
	"time"

	"chat-service/internal/chat"
)

// Sizes and times of HTTP connections. They keep the server safe and are no matter of an installation's taste.
const (
	headerLimit  = 16 << 10 // bytes
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 75 * time.Second
)

// Options are what a Server is made from, besides its routes.
type Options struct {
	// Addr is the "host:port" to listen on.
	Addr string
	// About says in the OpenAPI document what the server is for.
	About About
	// Guard decides who may call a route that isn't open.
	Guard Guard
	// Release adds headers that make sense only behind TLS.
	Release bool
	// BodyBytes bounds a request's body. Four times as much is read, so that the client gets a 413 instead of a reset.
	BodyBytes int
	// Limits are those that fields of bodies have by their tag "limit", by their keys; 0: none.
	Limits map[string]int
	// RequestTime bounds how long one request may work; 0 is no bound.
	RequestTime time.Duration
	// Origins may call from a browser (scheme://host[:port], exact); "*" is any.
	Origins []string
	// TrustedProxies may name the client's address in X-Forwarded-For.
	TrustedProxies chat.Proxies
	// Site, if set, is served at /.
	Site    fs.FS
	Log     *slog.Logger
	Metrics *Metrics
	// Now is the clock.
	Now func() time.Time
}
