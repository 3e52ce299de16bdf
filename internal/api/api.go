package api

import (
	"time"
)

// station is what the verbs work with: each verb is a method that answers one route.
type station struct {
	opts     Options
	ports    Ports
	now      func() time.Time
	live     *LiveCache
	attempts *Attempts
}

// New makes the server of all routes; nothing listens yet.
func New(opts Options, ports Ports) (*Server, error) {
	opts = opts.withDefaults()
	s := &station{
		opts: opts, ports: ports, now: opts.Now,
		live:     NewLiveCache(ports.Liveness, opts.Now),
		attempts: NewAttempts(ports.Throttle, opts.Now, opts.Metrics.edgeMetrics),
	}
	return newServer(edgeOptions{
		Addr: opts.Addr, About: about(), Release: opts.Release,
		Guard: Guard{
			Tokens: ports.Tokens, Live: s.live, Attempts: s.attempts, RequestsPerSecond: opts.Limits.RequestsPerSecond,
		},
		BodyBytes: opts.Limits.body(), RequestTime: opts.Limits.RequestTime,
		Origins: opts.Origins, TrustedProxies: opts.TrustedProxies, Site: opts.Site,
		Log: opts.Log, Metrics: opts.Metrics.edgeMetrics, Now: opts.Now,
	}, s.routes())
}

// about is what the OpenAPI document says of the station.
func about() About {
	return About{
		Title: "chat-service", Version: "1",
		Text:   "Rooms, messages and presence over REST. Live messages come over the WebSocket at GET " + Base + "/ws.",
		Closes: "A room that the caller may not see is 404, as one that is not there.",
		// Who isn't in a public room sees no more than a Room of it.
		AtLeast: map[string]string{"ListedRoom": "Room"},
	}
}
