package gateway

import (
	"crypto/sha1" //nolint:gosec // the handshake asks for it
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
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

// upgradeKey checks that a request is a WebSocket handshake (RFC 6455, section 4.2.1) and returns its key.
func upgradeKey(h *fasthttp.RequestHeader) (string, *httpError) {
	switch {
	case !h.IsGet():
		return "", notGet
	case !h.IsHTTP11(): // HTTP/1.0 has no upgrades
		return "", notUpgrade
	case !hasToken(h, "Connection", "upgrade") || !hasToken(h, "Upgrade", "websocket"):
		return "", notUpgrade
	case len(h.PeekAll("Sec-WebSocket-Version")) != 1 || string(h.Peek("Sec-WebSocket-Version")) != "13":
		return "", otherVersion
	case len(h.PeekAll("Sec-WebSocket-Key")) != 1:
		return "", badKey
	}
	key := string(h.Peek("Sec-WebSocket-Key"))
	if raw, err := base64.StdEncoding.Strict().DecodeString(key); err != nil || len(raw) != 16 {
		return "", badKey
	}
	return key, nil
}

// hasToken reports whether a header that is a list of tokens, over one line or more, has this one, in any case.
func hasToken(h *fasthttp.RequestHeader, name, token string) bool {
	for _, line := range h.PeekAll(name) {
		for part := range strings.SplitSeq(string(line), ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
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

// lender lends connections to fasthttp: it believes that it closes a hijacked one, and so returns its buffer of 8 KiB
// to a pool. It doesn't do that for connections that it is told to keep.
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

// Read reads for fasthttp. After the connection is taken over there is nothing more than what fasthttp has buffered.
func (l *lent) Read(p []byte) (int, error) {
	if l.taken.Load() {
		return 0, io.EOF
	}
	return l.Conn.Read(p)
}

// Close closes the connection unless it was taken over.
func (l *lent) Close() error {
	if l.taken.Load() {
		return nil
	}
	return l.Conn.Close()
}

// take makes a socket of a hijacked connection. It runs on fasthttp's goroutine, which ends when it returns.
func (g *Gateway) take(c net.Conn, h hello, claims Claims, code protocol.CloseCode) {
	var behind []byte
	if u, ok := c.(interface{ UnsafeConn() net.Conn }); ok {
		if l, ok := u.UnsafeConn().(*lent); ok {
			l.taken.Store(true)
			behind, _ = io.ReadAll(c) // at most fasthttp's buffer
			c = l.Conn
		}
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
	s.in.begin(c, behind)
	if err := switchProtocols(c, h); err != nil {
		_ = c.Close()
		g.live.Done()
		return
	}
	defer s.cut(inSocket)
	g.opened(s, claims, code)
}

// switchTimeout bounds the writing of the answer to a handshake.
const switchTimeout = 5 * time.Second

// switchProtocols answers a handshake.
func switchProtocols(c net.Conn, h hello) error {
	sum := sha1.Sum([]byte(h.key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	b := make([]byte, 0, 192)
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = base64.StdEncoding.AppendEncode(b, sum[:])
	if h.sub != "" {
		b = append(b, "\r\nSec-WebSocket-Protocol: "...)
		b = append(b, h.sub...)
	}
	b = append(b, "\r\n\r\n"...)
	err := c.SetWriteDeadline(time.Now().Add(switchTimeout))
	if err == nil {
		_, err = c.Write(b)
	}
	if err == nil {
		err = c.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		return fmt.Errorf("gateway: answer a handshake: %w", err)
	}
	return nil
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
