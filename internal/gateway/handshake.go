package gateway

import (
	"net"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"chat-service/internal/chat"
	"chat-service/internal/gateway/bounds"
	"chat-service/internal/gateway/denial"
	"chat-service/internal/gateway/inlet"
	"chat-service/internal/protocol"
)

var badHandshakes = map[inlet.Fault]*denial.Denial{
	inlet.NotGet: denial.NotGet, inlet.NotUpgrade: denial.NotUpgrade, inlet.OtherVersion: denial.OtherVersion, inlet.BadKey: denial.BadKey,
}

// refuse answers a request that opens no socket, and counts it.
func (g *Gateway) refuse(ctx *fasthttp.RequestCtx, d *denial.Denial) {
	if d.Reason != "" {
		g.m.Refused.WithLabelValues(d.Reason).Inc()
	}
	d.Answer(ctx)
}

// overload returns why there is no room for one more socket, nil if there is. It is looked at before anything costs
// time.
func (g *Gateway) overload() *denial.Denial {
	switch {
	case g.draining.Load():
		return denial.Draining
	case g.busLost():
		return denial.BrokerAway
	case g.o.MaxSockets > 0 && g.open.Load() >= int64(g.o.MaxSockets):
		return denial.Full
	case g.o.FileRoom > 0 && g.open.Load() >= int64(g.o.FileRoom):
		return denial.NoFiles
	}
	return nil
}

// arrival is a socket whose handshake is being answered.
type arrival struct {
	inlet.Hello
	held   bounds.Place
	claims Claims
	code   protocol.CloseCode // it is closed with; 0: it isn't
}

// handshake checks the request, verifies its token and takes the connection over. A refused token is upgraded all the
// same: a browser can't read a refused upgrade, but it can read a close code.
func (g *Gateway) handshake(ctx *fasthttp.RequestCtx) {
	refused := badHandshakes[inlet.Check(&ctx.Request.Header)]
	if refused == nil && !g.origins.Allow(string(ctx.Request.Header.Peek("Origin")), string(ctx.Host())) {
		refused = denial.BadOrigin
	}
	if refused == nil {
		refused = g.overload()
	}
	if refused != nil {
		g.refuse(ctx, refused)
		return
	}
	a := arrival{Hello: inlet.ReadHello(ctx)}
	switch {
	case !a.Version:
		a.code = protocol.CloseVersion
	case a.Token != "":
		var err error
		if a.claims, err = g.o.Verifier.Verify(a.Token); err != nil {
			a.code = tokenCode(err)
		}
	}
	a.Token = ""
	var why *bounds.Refusal
	if a.held, why = g.bounds.Enter(inlet.Client(ctx, g.o.TrustedProxies), a.claims.User, a.code == protocol.CloseTokenExpired); why != nil {
		g.refuse(ctx, denial.Unavailable(why.Limit, why.Detail, why.Wait))
		return
	}
	if err := inlet.Switch(ctx, a.Sub, func(c net.Conn, behind []byte) { g.take(c, behind, a) }); err != nil {
		g.bounds.Leave(&a.held)
		g.refuse(ctx, denial.NotUpgrade) // it finds fault with what was checked above
	}
}

// take makes a socket of a connection whose handshake was answered. It runs on a goroutine that ends when it returns.
func (g *Gateway) take(c net.Conn, behind []byte, a arrival) {
	g.gate.Lock()
	if g.draining.Load() {
		g.gate.Unlock()
		g.bounds.Leave(&a.held)
		_ = c.Close()
		return
	}
	g.live.Add(1)
	g.gate.Unlock()
	s := &socket{g: g, conn: c, id: chat.SocketID(g.numbers.Add(1)), device: a.Device, replace: a.Replace, held: a.held}
	if sc, ok := c.(syscall.Conn); ok {
		s.raw, _ = sc.SyscallConn()
	}
	s.in.Begin(c, behind)
	defer g.rescue(inSocket, s)
	g.opened(s, a.claims, a.code)
}

// opened registers an upgraded socket and starts it: waiting for its auth frame, connecting, or closing.
func (g *Gateway) opened(s *socket, claims Claims, code protocol.CloseCode) {
	g.m.Opened.Inc()
	g.m.Sockets.Inc()
	g.open.Add(1)
	now := g.o.Now().UnixMilli()
	s.seen.Store(now)
	g.sockets.add(s)
	s.in.Limit(g.o.Frames.FrameBytes)
	switch {
	case code != 0:
		s.close(code, jitter(time.Second))
	case claims.User != 0:
		s.identify(claims)
	default:
		s.in.Limit(min(g.o.Frames.FrameBytes, preAuthLimit))
		s.awaitAuth(now + g.o.AuthTimeout.Milliseconds())
	}
	if g.draining.Load() { // the drain may have begun since take looked, and may have missed this socket
		s.close(protocol.CloseRestart, jitter(time.Second))
	}
}

// awaitAuth has the socket read until its first frame, or until a time (Unix milliseconds).
func (s *socket) awaitAuth(until int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = until
	s.g.wheel.move(s, s.deadline)
	s.startLocked()
}

// tokenCode returns the close code for a token that the Verifier refuses. protocol.CloseFor is the table for a
// connect that a worker refuses: there, unauthenticated means that the session was revoked.
func tokenCode(err error) protocol.CloseCode {
	if chat.KindOf(err) == chat.TokenExpired {
		return protocol.CloseTokenExpired
	}
	return protocol.CloseBadToken
}
