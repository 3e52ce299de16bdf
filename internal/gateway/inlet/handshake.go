package inlet

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"chat-service/internal/chat"
)

// Fault is what keeps a request from being a WebSocket handshake.
type Fault uint8

// The faults, in the order in which they are looked for.
const (
	NoFault Fault = iota
	NotGet
	NotUpgrade // HTTP/1.0, or without the headers that ask for the upgrade
	OtherVersion
	BadKey
)

// Check checks that a request is a WebSocket handshake (RFC 6455, section 4.2.1). The library that answers it checks
// less: it takes handshakes over HTTP/1.0, several keys, and keys of any length.
func Check(h *fasthttp.RequestHeader) Fault {
	switch {
	case !h.IsGet():
		return NotGet
	case !h.IsHTTP11(): // HTTP/1.0 has no upgrades
		return NotUpgrade
	case !hasToken(h, "Connection", "upgrade") || !hasToken(h, "Upgrade", "websocket"):
		return NotUpgrade
	case len(h.PeekAll("Sec-WebSocket-Version")) != 1 || string(h.Peek("Sec-WebSocket-Version")) != "13":
		return OtherVersion
	case len(h.PeekAll("Sec-WebSocket-Key")) != 1:
		return BadKey
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(string(h.Peek("Sec-WebSocket-Key")))
	if err != nil || len(raw) != 16 {
		return BadKey
	}
	return NoFault
}

// Bodied reports whether a request says that a body follows, in whatever form: no path takes one. Where a form is in doubt, the HTTP server
// would read the body as the next request, and a proxy in front might not.
func Bodied(h *fasthttp.RequestHeader) bool {
	for line := range bytes.Lines(h.RawHeaders()) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		key = bytes.TrimSpace(key)
		if bytes.EqualFold(key, []byte("Transfer-Encoding")) ||
			bytes.EqualFold(key, []byte("Content-Length")) && string(bytes.TrimSpace(value)) != "0" {
			return true
		}
	}
	return false
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

const (
	subprotocol = "chat.v1"
	bearer      = "bearer."
	deviceRunes = 64
)

// Hello is what a handshake asks for, copied out of fasthttp's buffers.
type Hello struct {
	Sub     string // the subprotocol to answer with
	Version bool   // the client speaks chat.v1
	Device  string
	Replace bool
	Token   string
}

// ReadHello reads the device, the token and the subprotocols. The token may be in the query, in Authorization or in a
// subprotocol "bearer.<token>"; the first of these counts.
func ReadHello(ctx *fasthttp.RequestCtx) Hello {
	args := ctx.QueryArgs()
	h := Hello{Version: true, Replace: args.GetBool("replace"), Device: device(string(args.Peek("device")))}
	h.Token = string(args.Peek("token"))
	scheme, t, _ := strings.Cut(string(ctx.Request.Header.Peek("Authorization")), " ")
	if strings.EqualFold(scheme, "Bearer") && h.Token == "" {
		h.Token = strings.TrimSpace(t)
	}
	var protocols []string
	var carrier string // a subprotocol that only carried the token
	for _, line := range ctx.Request.Header.PeekAll("Sec-WebSocket-Protocol") {
		for part := range strings.SplitSeq(string(line), ",") {
			part = strings.TrimSpace(part)
			if t, ok := strings.CutPrefix(part, bearer); ok {
				carrier = part
				if h.Token == "" {
					h.Token = t
				}
			} else if part != "" {
				protocols = append(protocols, part)
			}
		}
	}
	switch {
	case slices.Contains(protocols, subprotocol):
		h.Sub = subprotocol
	case len(protocols) > 0:
		h.Version, h.Sub = false, protocols[0] // answered, or a browser would hide the close code
	case carrier != "":
		h.Version, h.Sub = false, carrier // the same: nothing else was offered
	}
	return h
}

// Client is the client's address, as far as trusted proxies name it.
func Client(ctx *fasthttp.RequestCtx, proxies chat.Proxies) netip.Addr {
	peer, _ := netip.AddrFromSlice(ctx.RemoteIP())
	return proxies.Client(peer, func() (all []string) {
		for _, v := range ctx.Request.Header.PeekAll("X-Forwarded-For") {
			all = append(all, string(v))
		}
		return all
	})
}

// device cuts the name that a client gives its device.
func device(s string) string {
	s = strings.ToValidUTF8(s, "")
	if r := []rune(s); len(r) > deviceRunes {
		s = string(r[:deviceRunes])
	}
	return s
}

// Origins are the pages that may open sockets.
type Origins map[string]bool

// NewOrigins makes the configured origins comparable; "*" is any.
func NewOrigins(list []string) Origins {
	m := Origins{}
	for _, origin := range list {
		m[strings.ToLower(strings.TrimSuffix(origin, "/"))] = true
	}
	return m
}

// Allow checks the Origin header. Allowed are none (it isn't a browser), the gateway's own host, and the
// listed ones, each compared as a whole.
func (o Origins) Allow(origin, host string) bool {
	if origin == "" || o["*"] {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" ||
		u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	return strings.EqualFold(u.Host, host) || o[strings.ToLower(origin)]
}

// Lender lends connections to fasthttp: it believes that it closes a hijacked one, and so returns its buffer of 8 KiB
// to a pool. It doesn't do that for connections that it must keep.
type Lender struct{ net.Listener }

// Accept waits for the next connection.
func (l Lender) Accept() (net.Conn, error) {
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

// takeOver takes a connection over from fasthttp, with what it had buffered of what comes behind the request.
func takeOver(c net.Conn) (own net.Conn, behind []byte) {
	if u, ok := c.(interface{ UnsafeConn() net.Conn }); ok {
		if l, ok := u.UnsafeConn().(*lent); ok {
			l.taken.Store(true)
			behind, _ = io.ReadAll(c) // at most fasthttp's buffer
			return l.Conn, behind
		}
	}
	return c, nil
}

// upgrader answers handshakes. The connection that it makes is given up at once (ADR 15), so its buffers are as small as
// may be. Whether the origin may open sockets is checked before, by Origins.
var upgrader = websocket.FastHTTPUpgrader{
	ReadBufferSize: 128, WriteBufferPool: &sync.Pool{},
	CheckOrigin: func(*fasthttp.RequestCtx) bool { return true },
}

// Switch answers a handshake that Check has passed; sub is the subprotocol, "" for none. When fasthttp has sent the
// answer, it calls take, on a goroutine that ends with it, with the connection and with what came behind the request.
func Switch(ctx *fasthttp.RequestCtx, sub string, take func(c net.Conn, behind []byte)) error {
	// The library looks at the first line of each of these headers.
	ctx.Request.Header.Set("Connection", "Upgrade")
	ctx.Request.Header.Set("Upgrade", "websocket")
	if sub != "" {
		ctx.Response.Header.Set("Sec-WebSocket-Protocol", sub)
	}
	if err := upgrader.Upgrade(ctx, func(ws *websocket.Conn) { take(takeOver(ws.NetConn())) }); err != nil {
		return fmt.Errorf("answer a handshake: %w", err)
	}
	return nil
}
