package gateway

import (
	//nolint:gosec // the handshake asks for it

	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"chat-service/internal/chat"
	"chat-service/internal/gateway/inlet"
	"chat-service/internal/protocol"
)

const (
	wsPath      = "/api/v1/ws"
	subprotocol = "chat.v1"
	bearer      = "bearer."
	deviceRunes = 64
)

// overload returns why there is no room for one more socket, nil if there is. It is looked at before anything costs
// time.
func (g *Gateway) overload() *httpError {
	switch {
	case g.draining.Load():
		return draining
	case g.busLost():
		return brokerAway
	case g.o.MaxSockets > 0 && g.open.Load() >= int64(g.o.MaxSockets):
		return full
	case g.o.FileRoom > 0 && g.open.Load() >= int64(g.o.FileRoom):
		return noFiles
	case g.pacer != nil && !g.pacer.Allow():
		return pacing
	}
	return nil
}

// hello is what a handshake asks for, copied out of fasthttp's buffers.
type hello struct {
	key     string
	sub     string // the subprotocol to answer with
	version bool   // the client speaks chat.v1
	device  string
	replace bool
	token   string
}

// handshake checks the request, verifies its token and takes the connection over. A refused token is upgraded all the
// same: a browser can't read a refused upgrade, but it can read a close code.
func (g *Gateway) handshake(ctx *fasthttp.RequestCtx) {
	key, fault := inlet.Handshake(&ctx.Request.Header)
	refused := faults[fault]
	if refused == nil && !g.origins.Allow(string(ctx.Request.Header.Peek("Origin")), string(ctx.Host())) {
		refused = badOrigin
	}
	if refused == nil {
		refused = g.overload()
	}
	if refused != nil {
		g.refuse(ctx, refused)
		return
	}
	h := readHello(ctx, key)
	var claims Claims
	var code protocol.CloseCode
	switch {
	case !h.version:
		code = protocol.CloseVersion
	case h.token != "":
		var err error
		if claims, err = g.o.Verifier.Verify(h.token); err != nil {
			code = tokenCode(err)
		}
	}
	h.token = ""
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(c net.Conn) { g.take(c, h, claims, code) })
}

// readHello reads the device, the token and the subprotocols. The token may be in the query, in Authorization or in a
// subprotocol "bearer.<token>"; the first of these counts.
func readHello(ctx *fasthttp.RequestCtx, key string) hello {
	args := ctx.QueryArgs()
	h := hello{key: key, version: true, replace: args.GetBool("replace"), device: device(string(args.Peek("device")))}
	h.token = string(args.Peek("token"))
	scheme, t, _ := strings.Cut(string(ctx.Request.Header.Peek("Authorization")), " ")
	if strings.EqualFold(scheme, "Bearer") && h.token == "" {
		h.token = strings.TrimSpace(t)
	}
	var protocols []string
	var carrier string // a subprotocol that only carried the token
	for _, line := range ctx.Request.Header.PeekAll("Sec-WebSocket-Protocol") {
		for part := range strings.SplitSeq(string(line), ",") {
			part = strings.TrimSpace(part)
			if t, ok := strings.CutPrefix(part, bearer); ok {
				carrier = part
				if h.token == "" {
					h.token = t
				}
			} else if part != "" {
				protocols = append(protocols, part)
			}
		}
	}
	switch {
	case slices.Contains(protocols, subprotocol):
		h.sub = subprotocol
	case len(protocols) > 0:
		h.version, h.sub = false, protocols[0] // answered, or a browser would hide the close code
	case carrier != "":
		h.version, h.sub = false, carrier // the same: nothing else was offered
	}
	return h
}

// device cuts the name that a client gives its device.
func device(s string) string {
	s = strings.ToValidUTF8(s, "")
	if r := []rune(s); len(r) > deviceRunes {
		s = string(r[:deviceRunes])
	}
	return s
}

// take makes a socket of a hijacked connection. It runs on fasthttp's goroutine, which ends when it returns.
func (g *Gateway) take(c net.Conn, h hello, claims Claims, code protocol.CloseCode) {
	c, behind := inlet.Take(c)
	g.gate.Lock()
	if g.draining.Load() {
		g.gate.Unlock()
		_ = c.Close()
		return
	}
	g.live.Add(1)
	g.gate.Unlock()
	s := &socket{g: g, conn: c, id: chat.SocketID(g.numbers.Add(1)), device: h.device, replace: h.replace}
	if sc, ok := c.(syscall.Conn); ok {
		s.raw, _ = sc.SyscallConn()
	}
	s.in.Begin(c, behind)
	if err := inlet.Switch(c, h.key, h.sub); err != nil {
		_ = c.Close()
		g.live.Done()
		return
	}
	defer s.cut(inSocket)
	g.opened(s, claims, code)
}

// opened registers an upgraded socket and starts it: waiting for its auth frame, connecting, or closing.
func (g *Gateway) opened(s *socket, claims Claims, code protocol.CloseCode) {
	g.m.Opened.Inc()
	g.m.Sockets.Inc()
	g.open.Add(1)
	now := g.o.Now().UnixMilli()
	s.seen.Store(now)
	g.sockets.add(s)
	switch {
	case code != 0:
		s.close(code, jitter(time.Second))
	case claims.User != 0:
		s.identify(claims)
	default:
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
