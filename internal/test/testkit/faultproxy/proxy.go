package faultproxy

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Direction is a direction through a Proxy.
type Direction uint8

// The directions. Both is Up|Down.
const (
	Up   Direction = 1 << iota // client → server
	Down                       // server → client
	Both = Up | Down
)

// Proxy is a TCP proxy that injects faults. All its methods act on open connections and on later ones.
type Proxy struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	upstream string
	changed  chan struct{} // closed and replaced when anything below changes
	held     Direction
	latency  time.Duration
	refuse   bool
	budget   int64 // bytes until the cut; negative: none
	accepted int
	links    map[*link]struct{}
	closed   bool
}

type link struct {
	client, server net.Conn
	done           chan struct{}
	once           sync.Once
}

// New listens on a free loopback port and forwards to upstream (host:port) until the test ends.
func New(t testing.TB, upstream string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{upstream: upstream, listener: l, changed: make(chan struct{}), budget: -1, links: map[*link]struct{}{}}
	p.wg.Add(1)
	go p.accept()
	t.Cleanup(p.close)
	return p
}

// Addr is where to connect, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Accepted is how many connections have been opened so far, refused ones included.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Pause holds all bytes back while connections stay open: a stopped server, or a network that drops packets. Resume forwards
// what was held.
func (p *Proxy) Pause() { p.OneWay(Both) }

// OneWay holds back the bytes of one direction only.
func (p *Proxy) OneWay(d Direction) { p.set(func() { p.held = d }) }

// Resume ends Pause, OneWay, Latency, LimitBytes and Refuse.
func (p *Proxy) Resume() {
	p.set(func() { p.held, p.latency, p.refuse, p.budget = 0, 0, false, -1 })
}

// Latency delays every chunk, in each direction.
func (p *Proxy) Latency(d time.Duration) { p.set(func() { p.latency = d }) }

// Refuse resets new connections as soon as they are made; open ones stay.
func (p *Proxy) Refuse(on bool) { p.set(func() { p.refuse = on }) }

// LimitBytes lets n more bytes through, both directions together, then cuts.
func (p *Proxy) LimitBytes(n int64) { p.set(func() { p.budget = n }) }

// Lead forwards new connections to another server; open ones stay with theirs.
func (p *Proxy) Lead(upstream string) { p.set(func() { p.upstream = upstream }) }

// Cut resets all open connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutLocked()
}

func (p *Proxy) cutLocked() {
	for l := range p.links {
		l.cut()
	}
}

func (p *Proxy) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.cutLocked()
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	defer p.wg.Done()
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		l := &link{client: c, done: make(chan struct{})}
		p.mu.Lock()
		p.accepted++
		ok := !p.refuse && !p.closed
		if ok {
			p.links[l] = struct{}{}
			p.wg.Add(1)
		}
		p.mu.Unlock()
		if !ok {
			l.cut()
			continue
		}
		go p.forward(l)
	}
}

func (p *Proxy) forward(l *link) {
	defer p.wg.Done()
	p.mu.Lock()
	upstream := p.upstream
	p.mu.Unlock()
	s, err := net.DialTimeout("tcp", upstream, 5*time.Second)
	p.mu.Lock()
	l.server = s
	p.mu.Unlock()
	if err == nil {
		var copies sync.WaitGroup
		copies.Go(func() { p.copy(l, l.client, s, Up) })
		copies.Go(func() { p.copy(l, s, l.client, Down) })
		copies.Wait()
	}
	l.cut()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
	if err == nil {
		_ = s.Close()
	}
}

// cut ends a link at once, with a reset if the connection is TCP.
func (l *link) cut() {
	l.once.Do(func() { close(l.done) })
	for _, c := range []net.Conn{l.client, l.server} {
		if tcp, ok := c.(*net.TCPConn); ok && tcp != nil {
			_ = tcp.SetLinger(0)
			_ = tcp.Close()
		}
	}
}

func (p *Proxy) copy(l *link, src, dst net.Conn, d Direction) {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			allowed, cut := p.pass(l, d, len(rest))
			if _, err := dst.Write(rest[:allowed]); err != nil || allowed == 0 && !cut {
				l.cut()
				return
			}
			if cut {
				p.Cut()
				return
			}
			rest = rest[allowed:]
		}
		if err != nil {
			if tcp, ok := dst.(*net.TCPConn); ok {
				_ = tcp.CloseWrite()
			}
			return
		}
	}
}

// pass waits until bytes of that direction may be forwarded, and returns how many of n, and whether everything is cut after
// them. 0 and false: the link has ended.
func (p *Proxy) pass(l *link, d Direction, n int) (allowed int, cut bool) {
	delayed := false
	for {
		p.mu.Lock()
		held, latency, changed := p.held&d != 0, p.latency, p.changed
		if !held && (latency == 0 || delayed) {
			defer p.mu.Unlock()
			if p.budget < 0 {
				return n, false
			}
			allowed = int(min(int64(n), p.budget))
			p.budget -= int64(allowed)
			if cut = p.budget == 0; cut {
				p.budget = -1
			}
			return allowed, cut
		}
		p.mu.Unlock()
		var timer <-chan time.Time
		if !held {
			timer = time.After(latency)
		}
		select {
		case <-l.done:
			return 0, false
		case <-changed:
		case <-timer:
			delayed = true
		}
	}
}
