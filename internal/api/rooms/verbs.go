package rooms

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

const (
	defaultPageSize = 20 // messages
	maxPageSize     = 100
)

// Options are what Verbs are made from, besides their ports.
type Options struct {
	Limits chat.Limits
	// Patience is how long new rooms of a user wait for each other; 0: what is too much is refused at once.
	Patience time.Duration
	Now      func() time.Time
	// Attempts counts what users do.
	Attempts *server.Attempts
	// Recent counts newest pages of history, by whether the cache had them; Degraded what went on without a server.
	Recent, Degraded *prometheus.CounterVec
}

// Verbs answer the routes: each verb is a method that answers one.
type Verbs struct {
	opts     Options
	ports    Ports
	now      func() time.Time
	attempts *server.Attempts
}

// New makes the verbs.
func New(opts Options, ports Ports) *Verbs {
	return &Verbs{opts: opts, ports: ports, now: opts.Now, attempts: opts.Attempts}
}
