package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/gofiber/fiber/v2"

	"chat-service/internal/telemetry"
)

// Server serves routes over HTTP. Make it with New; Start and Stop it once. A request passes edge (edge.go), then the
// guard if its route isn't open (guard.go), then its verb; every error on the way goes to problem (problem.go).
type Server struct {
	opts Options

	app       *fiber.App
	templates map[string]string // fiber path → route template, for metrics
	brake     brake

	base   context.Context // ends when draining has taken too long
	cancel context.CancelFunc
	ln     net.Listener
	serves atomic.Bool // from Start to Stop
	served sync.WaitGroup
	fatal  chan error
}

// New makes a server of the routes, their OpenAPI document, its page and the site; nothing listens yet.
func New(opts Options, routes []Route) (*Server, error) {
	s := &Server{opts: opts, templates: map[string]string{}, brake: brake{refusals: newLocalThrottle(opts.Now)}, fatal: make(chan error, 1)}
	s.base, s.cancel = context.WithCancel(context.Background())
	s.app = fiber.New(fiber.Config{
		AppName: "chat-service", DisableStartupMessage: true,
		Immutable:     true,                                           // texts that fiber returns are copies: fasthttp reuses the request's memory
		CaseSensitive: true, UnescapePath: false, StrictRouting: true, // one path, one spelling, as at the gateway
		BodyLimit: 4 * opts.BodyBytes, ReadBufferSize: headerLimit,
		ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		DisablePreParseMultipartForm: true,
		ErrorHandler:                 s.problem,
	})
	s.app.Server().Handler = s.understood(s.app.Server().Handler)
	s.app.Use(s.edge)
	if err := s.mount(routes); err != nil {
		return nil, err
	}
	return s, nil
}

// Start listens and serves in the background.
func (s *Server) Start(ctx context.Context) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", s.opts.Addr)
	if err != nil {
		return fmt.Errorf("listen for requests: %w", err)
	}
	l := telemetry.NewListener(ln, "requests", s.opts.Log, nil)
	s.ln = l
	s.serves.Store(true)
	s.served.Go(func() {
		if err := s.app.Listener(l); err != nil {
			s.fatal <- fmt.Errorf("serve requests: %w", err)
		}
	})
	return nil
}

// Ready returns nil while requests are taken.
func (s *Server) Ready() error {
	if !s.serves.Load() {
		return errors.New("api: not listening")
	}
	return nil
}

// Fatal delivers an error if serving ends by itself.
func (s *Server) Fatal() <-chan error { return s.fatal }

// Addr returns the address that Start bound, "" before.
func (s *Server) Addr() string {
	if s.ln == nil {
		return ""
	}
	return s.ln.Addr().String()
}

// Stop accepts no new connections, waits for running requests, and cuts those that outlast ctx.
func (s *Server) Stop(ctx context.Context) error {
	defer s.cancel()
	s.serves.Store(false)
	if s.ln == nil {
		return nil
	}
	err := s.app.ShutdownWithContext(ctx)
	// Shutdown knows nothing of a listener whose Serve hasn't begun yet, right after Start: closing it ends that one.
	_ = s.ln.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("drain requests: %w", err)
	}
	s.served.Wait()
	return nil
}
