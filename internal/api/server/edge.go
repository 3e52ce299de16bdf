package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

const (
	headerRequestID = "X-Request-Id"
	localRequestID  = "request_id"
	apiCSP          = "default-src 'none'; frame-ancestors 'none'"
)

// requestID returns the request's id, giving it one on the first call: the client's own if it is harmless, else a
// random one.
func requestID(c *fiber.Ctx) string {
	if id, ok := c.Locals(localRequestID).(string); ok {
		return id
	}
	id := c.Get(headerRequestID)
	if !saneID(id) {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails
		id = hex.EncodeToString(b[:])
	}
	c.Locals(localRequestID, id)
	c.Set(headerRequestID, id)
	return id
}

// saneID reports whether an id from a client can go into headers, logs and bodies as it is.
func saneID(id string) bool {
	if len(id) < 1 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

// edge is the outermost handler: it gives every answer its headers, turns errors and panics into problems, bounds
// size and time, counts and logs.
func (s *Server) edge(c *fiber.Ctx) error {
	begin := s.opts.Now()
	s.opts.Metrics.InFlight.Inc()
	defer s.opts.Metrics.InFlight.Dec()
	ctx := s.base
	if s.opts.RequestTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.opts.RequestTime)
		defer cancel()
	}
	c.SetUserContext(ctx)
	s.headers(c)
	var err error
	switch {
	case !protocol.Framed(c.Request().Header.RawHeaders(), c.Request().Header.IsHTTP11()):
		c.Context().SetConnectionClose()
		err = malformed("Transfer-Encoding", "must be chunked, alone, in HTTP/1.1 and in one line: where the body ends can't be known")
	case len(c.Request().Body()) > s.opts.BodyBytes:
		err = fiber.ErrRequestEntityTooLarge
	default:
		err = s.cors(c)
	}
	if err != nil {
		err = s.problem(c, err)
	}
	route, known := s.templates[c.Route().Path]
	if !known {
		route = otherRoute
	}
	took := s.opts.Now().Sub(begin)
	s.opts.Metrics.answered(c.Method(), route, c.Response().StatusCode(), took)
	s.opts.Log.DebugContext(ctx, "request", "request_id", requestID(c), "method", c.Method(), "route", route,
		"status", c.Response().StatusCode(), "took", took)
	return err
}

// understood answers what fiber doesn't hand to any handler, or takes for something else: methods that nobody knows, and other
// versions of HTTP.
func (s *Server) understood(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		var status int
		switch {
		case !slices.Contains(fiber.DefaultMethods, string(ctx.Method())):
			status = http.StatusNotImplemented
		case string(ctx.Request.Header.Protocol()) != "HTTP/1.1" && string(ctx.Request.Header.Protocol()) != "HTTP/1.0":
			status = http.StatusHTTPVersionNotSupported
		default:
			next(ctx)
			return
		}
		ctx.SetConnectionClose()
		c := s.app.AcquireCtx(ctx)
		defer s.app.ReleaseCtx(c)
		s.headers(c)
		_ = writeProblem(c, fiber.NewError(status)) // writing to memory doesn't fail
	}
}

// problem answers with err, and logs it if it is the server's fault.
func (s *Server) problem(c *fiber.Ctx, err error) error {
	s.headers(c)
	status, e := translate(err)
	if status >= http.StatusInternalServerError {
		s.opts.Log.Error("request failed", "request_id", requestID(c), "method", c.Method(),
			"path", c.Path(), "code", e.Kind.String(), "error", err)
	}
	if e.Kind == chat.RateLimited {
		s.brake.slow(c.UserContext(), chat.AddressKey(s.clientIP(c)).String())
	}
	if status == http.StatusMethodNotAllowed && c.Method() == fiber.MethodOptions {
		return c.SendStatus(http.StatusNoContent) // fiber has set Allow: that is the answer
	}
	return writeProblem(c, err)
}

// headers sets what every answer carries.
func (s *Server) headers(c *fiber.Ctx) {
	requestID(c)
	h := &c.Response().Header
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	h.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	h.Set(fiber.HeaderXFrameOptions, "DENY")
	h.Set("Cross-Origin-Resource-Policy", "same-site")
	h.Set(fiber.HeaderContentSecurityPolicy, apiCSP)
	h.Set(fiber.HeaderCacheControl, "no-store")
	if s.opts.Release {
		h.Set(fiber.HeaderStrictTransportSecurity, "max-age=31536000; includeSubDomains")
	}
}

// cors lets pages of the configured origins read answers, and answers preflights. The API uses no cookies, so
// credentials are never allowed.
func (s *Server) cors(c *fiber.Ctx) error {
	origin := c.Get(fiber.HeaderOrigin)
	if origin == "" || len(s.opts.Origins) == 0 {
		return s.safely(c)
	}
	c.Vary(fiber.HeaderOrigin)
	switch {
	case slices.Contains(s.opts.Origins, "*"):
		c.Set(fiber.HeaderAccessControlAllowOrigin, "*")
	case slices.Contains(s.opts.Origins, origin):
		c.Set(fiber.HeaderAccessControlAllowOrigin, origin)
	default:
		return s.safely(c)
	}
	c.Set("Cross-Origin-Resource-Policy", "cross-origin")
	c.Set(fiber.HeaderAccessControlExposeHeaders, "X-Request-Id, Retry-After, Location")
	if c.Method() != fiber.MethodOptions || c.Get(fiber.HeaderAccessControlRequestMethod) == "" {
		return s.safely(c)
	}
	c.Set(fiber.HeaderAccessControlAllowMethods, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	c.Set(fiber.HeaderAccessControlAllowHeaders, "Authorization, Content-Type, "+HeaderKey+", X-Request-Id")
	c.Set(fiber.HeaderAccessControlMaxAge, "600")
	return c.SendStatus(http.StatusNoContent)
}

// safely turns a panic of a handler into an Internal error, so that it costs one answer and not the process.
func (s *Server) safely(c *fiber.Ctx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = chat.Wrap(chat.Internal, fmt.Errorf("panic: %v\n%s", r, debug.Stack()), "")
		}
	}()
	if breaks(requestID(c)) {
		panic("planted")
	}
	return c.Next()
}

// clientIP is the client's address, as far as trusted proxies name it.
func (s *Server) clientIP(c *fiber.Ctx) netip.Addr {
	peer, _ := netip.AddrFromSlice(c.Context().RemoteIP())
	return s.opts.TrustedProxies.Client(peer, func() []string { return peekAll(c, fiber.HeaderXForwardedFor) })
}

// peekAll returns copies of all values of a request header.
func peekAll(c *fiber.Ctx, name string) []string {
	var out []string
	for _, v := range c.Request().Header.PeekAll(name) {
		out = append(out, string(v))
	}
	return out
}
