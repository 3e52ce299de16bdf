package frontdoor

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// SocketPath is routed to the gateways, everything else to the api.
const SocketPath = "/api/v1/ws"

// Backend is one process behind the front door.
type Backend struct {
	Name  string
	Addr  string                          // host:port
	Ready func(ctx context.Context) error // nil means ready; polled twice a second. A nil function: always ready
}

// Proxy is the one public address of a local run: WebSockets are routed to the gateway with the fewest, everything else
// to the api. Forwarding headers sent by a client are dropped; it sets the client's address itself.
type Proxy struct {
	gateways []*backend
	api      *backend
	bodyTime time.Duration
}

type backend struct {
	Backend
	proxy *httputil.ReverseProxy
	open  atomic.Int64 // requests and sockets in progress
	ready atomic.Bool
}

// New makes a front door for the gateways and the api.
func New(api Backend, gateways ...Backend) *Proxy {
	f := &Proxy{api: newBackend(api), bodyTime: bodyTime}
	for _, g := range gateways {
		f.gateways = append(f.gateways, newBackend(g))
	}
	return f
}

type attemptKey struct{}

// attempt is one try to have a backend answer a request.
type attempt struct {
	body *body // nil: none
	gone bool  // the backend refused the connection
}

func newBackend(b Backend) *backend {
	be := &backend{Backend: b}
	be.ready.Store(b.Ready == nil)
	target := &url.URL{Scheme: "http", Host: b.Addr}
	be.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.URL.RawQuery = p.In.URL.RawQuery // as it came: httputil drops what it can't parse, and the backends say what is wrong with it
			p.Out.Host = p.In.Host                 // gateways compare it with the Origin
			p.Out.Header.Del("X-Real-Ip")
			p.SetXForwarded()
		},
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 256, IdleConnTimeout: 60 * time.Second, DisableCompression: true,
			ResponseHeaderTimeout: 30 * time.Second, // a backend that hangs is as good as none; the api ends a request within ten
		},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // a URL may contain a token
		ErrorHandler:  refused,
	}
	return be
}

// refused handles a request that failed: a refused dial is reported to serve, whose caller may try another backend. A body that
// couldn't be read is the client's fault, and not the backend's.
func refused(w http.ResponseWriter, r *http.Request, err error) {
	var op *net.OpError
	try, _ := r.Context().Value(attemptKey{}).(*attempt)
	switch {
	case try == nil:
		unavailable(w, r)
	case errors.As(err, &op) && op.Op == "dial":
		try.gone = true
	case try.body.failed() != nil:
		w.Header().Set("Connection", "close") // where the next request would begin is unknown
		refuse(w, unreadable(try.body.failed()))
	default:
		unavailable(w, r)
	}
}

// ServeHTTP forwards the request.
func (f *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > maxBody {
		refuse(w, http.StatusRequestEntityTooLarge)
		return
	}
	if r.Body != http.NoBody {
		r.Body = newBody(w, r.Body, f.bodyTime)
	}
	candidates := []*backend{f.api}
	if r.URL.Path == SocketPath {
		candidates = f.candidates()
		if !r.ProtoAtLeast(1, 1) {
			r.Header.Del("Upgrade") // HTTP/1.0 has none; passed on as HTTP/1.1 it would be taken
		}
	}
	for _, b := range candidates {
		if b.serve(w, r) {
			return
		}
	}
	unavailable(w, r)
}

// candidates are the ready gateways, the least loaded first.
func (f *Proxy) candidates() []*backend {
	type load struct {
		b *backend
		n int64
	}
	var loads []load
	for _, b := range f.gateways {
		if b.ready.Load() {
			loads = append(loads, load{b, b.open.Load()})
		}
	}
	slices.SortStableFunc(loads, func(a, b load) int { return int(a.n - b.n) })
	out := make([]*backend, len(loads))
	for i, l := range loads {
		out[i] = l.b
	}
	return out
}

// serve reports whether the backend accepted the request. For a socket it returns when the socket closes.
func (b *backend) serve(w http.ResponseWriter, r *http.Request) bool {
	b.open.Add(1)
	defer b.open.Add(-1)
	var try attempt
	try.body, _ = r.Body.(*body)
	if r.Body == http.NoBody { // else what the buffer holds may be the body, which is still being read
		w = upgrader{w}
	}
	b.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), attemptKey{}, &try)))
	if try.gone && b.Ready != nil {
		b.ready.Store(false) // until watch finds it ready again
	}
	return !try.gone
}

// Watch polls the gateways' readiness until ctx ends.
func (f *Proxy) Watch(ctx context.Context) {
	var g sync.WaitGroup
	for _, b := range f.gateways {
		if b.Ready != nil {
			g.Go(func() { b.watch(ctx) })
		}
	}
	g.Wait()
}

func (b *backend) watch(ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		b.ready.Store(b.Ready(ctx) == nil)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Serve serves on l until ctx ends; then requests in progress get two seconds. Sockets end with their gateway.
func (f *Proxy) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: f, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		MaxHeaderBytes: maxHead - 4096, // net/http allows so many more
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var g sync.WaitGroup
	g.Go(func() { f.Watch(ctx) })
	g.Go(func() {
		<-ctx.Done()
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer stop()
		if srv.Shutdown(end) != nil {
			_ = srv.Close()
		}
	})
	err := srv.Serve(listener{l})
	cancel()
	g.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
