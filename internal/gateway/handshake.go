package gateway

import (
	"bufio"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"chat-service/internal/chat"
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
	key, refused := upgradeKey(&ctx.Request.Header)
	if refused == nil && !g.originAllowed(string(ctx.Request.Header.Peek("Origin")), string(ctx.Host())) {
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

// upgradeKey checks that a request is a WebSocket handshake and returns its key.
func upgradeKey(h *fasthttp.RequestHeader) (string, *httpError) {
	key := strings.Clone(string(h.Peek("Sec-WebSocket-Key")))
	raw, err := base64.StdEncoding.DecodeString(key)
	switch {
	case !h.IsGet():
		return "", notGet
	case !hasToken(h, "Connection", "upgrade") || !hasToken(h, "Upgrade", "websocket"):
		return "", notUpgrade
	case string(h.Peek("Sec-WebSocket-Version")) != "13":
		return "", otherVersion
	case err != nil || len(raw) != 16:
		return "", badKey
	}
	return key, nil
}

// hasToken reports whether a header that is a list of tokens has this one, in any case.
func hasToken(h *fasthttp.RequestHeader, name, token string) bool {
	for part := range strings.SplitSeq(string(h.Peek(name)), ",") {
		if strings.EqualFold(strings.TrimSpace(part), token) {
			return true
		}
	}
	return false
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
	for _, line := range ctx.Request.Header.PeekAll("Sec-WebSocket-Protocol") {
		for part := range strings.SplitSeq(string(line), ",") {
			part = strings.TrimSpace(part)
			if t, ok := strings.CutPrefix(part, bearer); ok {
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

// allowedOrigins makes the configured origins comparable.
func allowedOrigins(list []string) map[string]bool {
	m := map[string]bool{}
	for _, o := range list {
		m[strings.ToLower(strings.TrimSuffix(o, "/"))] = true
	}
	return m
}

// originAllowed checks the Origin header. Allowed are none (it isn't a browser), the gateway's own host, and the
// listed ones, each compared as a whole.
func (g *Gateway) originAllowed(origin, host string) bool {
	if origin == "" || g.origins["*"] {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" ||
		u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	return strings.EqualFold(u.Host, host) || g.origins[strings.ToLower(origin)]
}

// hijacker gives the WebSocket library the raw connection, so that fasthttp's wrapper and its buffers can be freed.
type hijacker struct {
	conn net.Conn
	rw   *bufio.ReadWriter
}

func (h hijacker) Header() http.Header                          { return nil }
func (h hijacker) WriteHeader(int)                              {}
func (h hijacker) Write(b []byte) (int, error)                  { return len(b), nil }
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, h.rw, nil }

// lender lends connections to fasthttp: it believes that it closes a hijacked one, and so returns its buffer of 8 KiB
// to a pool. It doesn't do that for connections that it must keep.
type lender struct{ net.Listener }

// Accept waits for the next connection.
func (l lender) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lent{Conn: c}, nil
}

// lent is a connection during its handshake.
type lent struct {
	net.Conn

	taken atomic.Bool
}

// Close closes the connection unless it was taken over.
func (l *lent) Close() error {
	if l.taken.Load() {
		return nil
	}
	return l.Conn.Close()
}

// handshakeBuffers are for the answer to a handshake. A socket keeps none of them.
var handshakeBuffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 512) }}

// readBuffer is the smallest buffer, in bytes, that the WebSocket library takes over from a handshake, in one of the
// allocator's sizes.
const readBuffer = 288

// take makes a socket of a hijacked connection. It runs on fasthttp's goroutine, which ends when it returns.
func (g *Gateway) take(c net.Conn, h hello, claims Claims, code protocol.CloseCode) {
	if u, ok := c.(interface{ UnsafeConn() net.Conn }); ok {
		c = u.UnsafeConn()
	}
	if l, ok := c.(*lent); ok {
		l.taken.Store(true)
		c = l.Conn
	}
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
	// The buffered reader reads from c and not through readConn: one call frame less keeps the stack of an idle
	// socket at 2 KiB.
	w := handshakeBuffers.Get().(*bufio.Writer)
	rw := bufio.NewReadWriter(bufio.NewReaderSize(c, readBuffer), w)
	req := &http.Request{Method: http.MethodGet, Header: http.Header{
		"Connection": {"upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {h.key},
	}}
	var res http.Header
	if h.sub != "" {
		res = http.Header{"Sec-Websocket-Protocol": {h.sub}}
	}
	ws, err := g.up.Upgrade(hijacker{readConn{c, s}, rw}, req, res)
	handshakeBuffers.Put(w)
	if err != nil {
		_ = c.Close()
		g.live.Done()
		return
	}
	s.ws = ws
	ws.SetPingHandler(s.onPing)
	ws.SetPongHandler(s.onPong)
	ws.SetCloseHandler(ignoreClose)
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
	limit := g.o.Frames.FrameBytes
	if claims.User == 0 {
		limit = min(limit, preAuthLimit)
	}
	s.ws.SetReadLimit(int64(limit))
	switch {
	case code != 0:
		s.close(code, jitter(time.Second))
	case claims.User != 0:
		s.identify(claims)
	default:
		s.mu.Lock()
		s.deadline = now + g.o.AuthTimeout.Milliseconds()
		g.wheel.move(s, s.deadline)
		s.startLocked()
		s.mu.Unlock()
	}
	if g.draining.Load() { // the drain may have begun since take looked, and may have missed this socket
		s.close(protocol.CloseRestart, jitter(time.Second))
	}
}
