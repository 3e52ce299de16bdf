package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/bounds"
	"chat-service/internal/gateway/denial"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/gateway/inlet"
	"chat-service/internal/protocol"
	"chat-service/internal/telemetry"
)

// Gateway is one run of the station, from New to Stop. It can't be started again.
type Gateway struct {
	o       Options
	m       *Metrics
	origins inlet.Origins
	bounds  *bounds.Bounds

	frameRate           bounds.Pace // of a socket's frames
	userRate, otherRate bounds.Pace // of a user's messages, and of their other frames
	frames              frames

	admissions map[protocol.Type]admission
	appliers   map[envelope.DeliveryKind]applier

	http     *fasthttp.Server
	listener *telemetry.Listener
	served   chan error
	failed   chan error  // one slot: the listener ends once
	ended    atomic.Bool // the listener's server

	sockets     *registry
	hub         *hub.Hub
	wheel       *wheel
	writers     *writers
	window      window
	disconnects *disconnects
	rounds      rounds

	numbers   atomic.Uint64 // of sockets
	salt      uint64        // of this boot: gateways that start together take the partitions in different orders
	open      atomic.Int64
	live      sync.WaitGroup // sockets that aren't finished
	gate      sync.Mutex     // guards live.Add against the wait in Stop
	draining  atomic.Bool
	busUp     atomic.Bool
	everUp    atomic.Bool
	downSince atomic.Int64 // Unix milliseconds since when the bus is unavailable; 0: it is available
	deliver   hub.Sweep    // deliver and delivery are the consumer's alone
	delivery  envelope.Delivery

	stop chan struct{}
	done chan struct{}
}

// New makes a gateway that doesn't listen yet. It returns an error if a required option is missing.
func New(o Options) (*Gateway, error) {
	if o.ID == "" || o.Partitions < 1 || o.Bus == nil || o.Verifier == nil {
		return nil, errors.New("gateway: ID, Partitions, Bus and Verifier must be set")
	}
	o = o.ready()
	g := &Gateway{
		o: o, m: o.Metrics, frames: newFrames(), salt: rand.Uint64(), sockets: newRegistry(), served: make(chan error, 1),
		stop: make(chan struct{}), done: make(chan struct{}), failed: make(chan error, 1),
		window: window{
			maxN: int64(o.WindowCommands), maxBytes: int64(o.WindowBytes), gn: o.Metrics.Window, gbytes: o.Metrics.WindowBytes,
		},
	}
	g.admissions, g.appliers, g.origins = admissions(), newAppliers(o.Metrics), inlet.NewOrigins(o.Origins)
	ofSocket := chat.Rate{Limit: o.MessagesPerSecond, Per: time.Second, Burst: o.MessageBurst}
	g.frameRate, g.userRate, g.otherRate = bounds.PaceOf(ofSocket), bounds.PaceOf(o.Bounds.MessageRate()), bounds.PaceOf(o.Bounds.FrameRate())
	g.bounds = bounds.New(bounds.Options{Limits: o.Bounds, PerSecond: o.SocketsPerSecond, Now: o.Now, Metrics: o.Metrics.Bounds})
	g.wheel, g.writers = newWheel(g.o.Now().UnixMilli()), newWriters(g.m)
	g.hub = hub.New(hub.Options{
		ID: o.ID, Now: func() int64 { return o.Now().UnixMilli() }, Jitter: jitterMS, Metrics: o.Metrics.Hub,
		HeldEntries: o.HeldEntries, HeldBytes: o.HeldBytes, Find: g.sockets.forHub,
		Publish: func(room chat.RoomID, c *envelope.Command) error {
			return g.publish(room.Partition(g.o.Partitions), c, nil)
		},
	})
	g.disconnects = &disconnects{g: g}
	g.downSince.Store(g.o.Now().UnixMilli())
	g.http = &fasthttp.Server{
		Handler: g.route, NoDefaultServerHeader: true, NoDefaultDate: true, NoDefaultContentType: true,
		// Tokens may travel in headers. The buffer bounds the whole head, and returns to a pool with the upgrade.
		ReadBufferSize: 8 << 10, WriteBufferSize: 1 << 10,
		ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, IdleTimeout: 5 * time.Second,
		MaxIdleWorkerDuration: 2 * time.Second, Concurrency: 20_000, MaxRequestBodySize: 1 << 10,
		CloseOnShutdown: true, Logger: quiet{}, ErrorHandler: g.unread,
	}
	return g, nil
}

// quiet drops what fasthttp logs about clients that don't send HTTP: a port scan must not fill the log, and a request
// line may hold a token.
type quiet struct{}

// Printf drops the line.
func (quiet) Printf(string, ...any) {}

// Start listens and returns. Sockets are refused until BusUp is called.
func (g *Gateway) Start(ctx context.Context) error {
	// The gateway sends pings of its own, so the kernel's keepalive would be waste.
	lc := net.ListenConfig{KeepAlive: -1, Control: inlet.BoundKernel}
	l, err := lc.Listen(ctx, "tcp", g.o.Addr)
	if err != nil {
		return fmt.Errorf("gateway: listen: %w", err)
	}
	g.listener = telemetry.NewListener(endingAtLimit(l), "sockets", g.o.Log, g.m.AcceptErrors.Inc)
	g.writers.start()
	go g.tick()
	go g.serve()
	return nil
}

// serve accepts connections until the listener ends. If that wasn't Stop, nobody can connect any more: the process is
// unready, and must end.
func (g *Gateway) serve() {
	err := g.http.Serve(inlet.Lender{Listener: g.listener})
	g.ended.Store(true)
	if !g.draining.Load() {
		g.failed <- fmt.Errorf("gateway: the listener has ended: %w", cmp.Or(err, net.ErrClosed))
	}
	g.served <- err
}

// Failed delivers the error that ended the listener, if one did.
func (g *Gateway) Failed() <-chan error { return g.failed }

// Addr returns the address the gateway listens on, as "host:port". It must have been started.
func (g *Gateway) Addr() string { return g.listener.Addr().String() }

// Ready returns nil while new sockets are accepted, else why they aren't.
func (g *Gateway) Ready() error {
	switch {
	case g.draining.Load():
		return errors.New("gateway: draining")
	case g.ended.Load():
		return errors.New("gateway: the listener has ended")
	case g.listener != nil && g.listener.Failing() != nil:
		return g.listener.Failing()
	case !g.busUp.Load():
		return errors.New("gateway: no deliveries from the bus")
	default:
		return g.o.Bus.Ready()
	}
}

// BusUp reports that deliveries arrive: at the start, and again after each interruption. It has every room ask its
// owner for the head, so that what was missed is noticed.
func (g *Gateway) BusUp() {
	g.busUp.Store(true)
	g.everUp.Store(true)
	g.rounds.reattach.Store(true)
}

// BusDown reports that deliveries have stopped, and why. Sockets stay open for BusPatience.
func (g *Gateway) BusDown(err error) {
	g.busUp.Store(false)
	g.o.Log.Warn("no deliveries from the bus", "error", err)
}

const tickPause = tickMS * time.Millisecond

// tick is the one goroutine for everything that is timed: pings, deadlines, repairs that are due, rounds, heartbeats.
func (g *Gateway) tick() {
	defer close(g.done)
	t := time.NewTicker(tickPause)
	defer t.Stop()
	var sw hub.Sweep
	for n := int64(0); ; n++ {
		select {
		case <-g.stop:
			return
		case <-t.C:
		}
		now := g.o.Now().UnixMilli()
		// Each step is guarded by itself, so that one that panics keeps none of the others from being done.
		g.guard(func() { g.wheel.turn(now, lookSafely) })
		g.guard(func() { g.hub.Turn(&sw, now) })
		g.guard(func() { g.writers.flush(&sw) })
		g.guard(g.disconnects.flush)
		g.guard(func() { g.rounds.turn(g, n) })
		g.guard(func() { g.watchBus(now) })
		g.guard(g.window.show)
		if n%(beatEvery/tickMS) == 0 {
			g.guard(g.beat)
		}
	}
}

// lookSafely looks at one socket of a slot: its panic must not take the others off the wheel.
func lookSafely(s *socket, now int64) {
	defer s.g.rescue(inTicker, s)
	s.look(now)
}

const beatEvery = 5_000 // ms

// beat renews the gateway's lease with the workers. The next one makes up for a beat that is lost.
func (g *Gateway) beat() {
	c := envelope.Command{Kind: envelope.Beat, Gateway: g.o.ID, At: g.o.Now().UnixMilli(), Partitions: g.o.Partitions}
	if err := g.o.Bus.Beat(c.Append(nil)); err != nil {
		g.o.Log.Debug("heartbeat not sent", "error", err)
	}
}

// watchBus notes since when the bus is unavailable, and after BusPatience has the sockets connect elsewhere.
func (g *Gateway) watchBus(now int64) {
	if g.busUp.Load() && g.o.Bus.Ready() == nil {
		g.downSince.Store(0)
		return
	}
	if g.downSince.CompareAndSwap(0, now) || now-g.downSince.Load() < g.o.BusPatience.Milliseconds() || g.draining.Load() {
		return
	}
	if now/1000 == (now-tickMS)/1000 { // once a second is enough, for sockets that were still opening the last time
		return
	}
	for _, s := range g.sockets.all() {
		if s.stays() {
			s.leave(now+jitterMS(5_000), nil)
		}
	}
}

// busLost reports whether sockets must be refused: the bus has never been available, or not for BusPatience.
func (g *Gateway) busLost() bool {
	since := g.downSince.Load()
	return !g.everUp.Load() || since != 0 && g.o.Now().UnixMilli()-since >= g.o.BusPatience.Milliseconds()
}

// route serves the gateway's few paths. They are compared as they were sent: no other spelling names them.
func (g *Gateway) route(ctx *fasthttp.RequestCtx) {
	defer g.panicAnswer(ctx)
	h := &ctx.Request.Header
	if p := string(h.Protocol()); p != "HTTP/1.1" && p != "HTTP/1.0" {
		g.refuse(ctx, denial.OtherHTTP)
		return
	}
	if !protocol.Framed(h.RawHeaders(), h.IsHTTP11()) {
		g.refuse(ctx, denial.Unreadable)
		return
	}
	path := string(ctx.URI().PathOriginal())
	switch {
	case inlet.Bodied(&ctx.Request.Header):
		g.refuse(ctx, denial.LongBody)
	case path == denial.SocketPath:
		g.handshake(ctx)
	case path != "/healthz" && path != "/readyz":
		g.refuse(ctx, denial.OtherPath)
	case !ctx.IsGet() && !ctx.IsHead():
		g.refuse(ctx, denial.NotGet)
	case path == "/readyz" && g.Ready() != nil:
		denial.Write(ctx, http.StatusServiceUnavailable, "application/json", `{"status":"unavailable"}`)
	default:
		denial.Write(ctx, http.StatusOK, "application/json", `{"status":"ok"}`)
	}
}

// unread answers what fasthttp couldn't read as a request.
func (g *Gateway) unread(ctx *fasthttp.RequestCtx, err error) { g.refuse(ctx, denial.OfUnread(err)) }

// panicAnswer answers a request whose handling panicked.
func (g *Gateway) panicAnswer(ctx *fasthttp.RequestCtx) {
	if r := recover(); r != nil {
		g.notePanic(inRequest, r)
		ctx.Response.Reset()
		g.refuse(ctx, denial.Panicked)
	}
}
