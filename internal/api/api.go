package api

import (
	"context"
	"time"

	"chat-service/internal/api/backend"
	"chat-service/internal/api/rooms"
	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

// station is what the verbs work with: each verb is a method that answers one route.
type station struct {
	opts     Options
	ports    Ports
	now      func() time.Time
	live     *server.LiveCache
	keys     *server.KeyCache // nil: no key is known
	attempts *server.Attempts
	rooms    *rooms.Verbs
	backend  *backend.Verbs
}

// New makes the server of all routes; nothing listens yet. It fails only if the OpenAPI document can't be made.
func New(opts Options, ports Ports) (*server.Server, error) {
	opts = opts.withDefaults()
	if ports.Audit == nil {
		ports.Audit = noAudit{}
	}
	s := &station{
		opts: opts, ports: ports, now: opts.Now,
		live:     server.NewLiveCache(ports.Sessions, opts.Now),
		attempts: server.NewAttempts(ports.Throttle, opts.Now, opts.Metrics.Metrics),
	}
	s.rooms = rooms.New(rooms.Options{
		Limits: opts.Limits, Patience: opts.Patience, Now: opts.Now, Attempts: s.attempts,
		Recent: opts.Metrics.Recent, Degraded: opts.Metrics.Degraded,
	}, rooms.Ports{
		Accounts: ports.Accounts, Rooms: ports.Rooms, Members: ports.Members, Lists: ports.Lists,
		Messages: ports.Messages, Changes: ports.Changes, Recents: ports.Recents,
	})
	s.backend = backend.New(backend.Options{Now: opts.Now, Live: s.live, Rooms: s.rooms, NewSession: s.newSession}, backend.Ports{
		Accounts: ports.Accounts, Identities: ports.Identities, Sessions: ports.Sessions, Tokens: ports.Tokens, Wardens: ports.Wardens,
		Spaces: ports.Spaces, Logs: ports.Logs, Rooms: ports.Rooms, Members: ports.Members, Audit: ports.Audit, Jobs: ports.Jobs, Trail: ports.Trail,
		Exports: ports.Exports, Replies: ports.Replies,
		Webhooks: ports.Webhooks, Endpoints: ports.Endpoints,
	})
	if ports.Keys != nil {
		s.keys = server.NewKeyCache(ports.Keys, opts.Now)
	}
	return server.New(server.Options{
		Addr: opts.Addr, About: about(), Release: opts.Release,
		Guard: server.Guard{
			Tokens: ports.Tokens, Live: s.live, Attempts: s.attempts, RequestsPerSecond: opts.Limits.RequestsPerSecond,
			ServerRequests: opts.Limits.ServerRequests,
			Strangers:      opts.Limits.TokenRate(), Keys: s.keys, Calls: ports.Audit,
		},
		BodyBytes: bodyLimit(opts.Limits), Limits: bodyLimits(opts.Limits), RequestTime: opts.Limits.RequestTime,
		Origins: opts.Origins, TrustedProxies: opts.TrustedProxies, Site: opts.Site,
		Log: opts.Log, Metrics: opts.Metrics.Metrics, Now: opts.Now,
	}, s.routes())
}

// noAudit records nothing.
type noAudit struct{}

// Record implements Audit.
func (noAudit) Record(context.Context, chat.Act) {}

// about is what the OpenAPI document says of the station.
func about() server.About {
	return server.About{
		Title: "chat-service", Version: "1",
		Intro: "Rooms, messages and presence over REST. Live messages come over the WebSocket at GET " + server.Base + "/ws.",
		Note:  "A room that the caller may not see is 404, exactly as one that does not exist.",
		// A public room is a plain Room to callers who aren't in it.
		AtLeast: map[string]string{"ListedRoom": "Room"},
		// Messages that never changed have no state.
		Sometimes: map[string][]string{"Message": {"change_seq", "version"}, "ShownMessage": {"change_seq", "version"}},
	}
}
