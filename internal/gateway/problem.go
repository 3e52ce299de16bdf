package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/valyala/fasthttp"

	"chat-service/internal/chat"
	"chat-service/internal/gateway/inlet"
	"chat-service/internal/protocol"
)

// httpError is the answer to a request that opens no socket.
type httpError struct {
	status int
	kind   chat.Kind
	detail string
	reason string        // the label by which refused_total counts it, "" if it doesn't
	later  bool          // the same request may succeed in some seconds: the answer says when
	wait   time.Duration // if later: not before that
	close  bool          // the connection can't be used again, or shouldn't
}

// All of the gateway's HTTP errors. Whatever goes wrong after the upgrade ends in a close code instead.
var (
	otherPath = &httpError{status: http.StatusNotFound, kind: chat.NotFound, detail: "the gateway serves " + wsPath}
	panicked  = &httpError{status: http.StatusInternalServerError, kind: chat.Internal, close: true}

	unreadable = &httpError{status: http.StatusBadRequest, kind: chat.Invalid, detail: "the request can't be read", close: true}
	longHead   = &httpError{
		status: http.StatusRequestHeaderFieldsTooLarge, kind: chat.TooLarge,
		detail: "the head of the request is too large", close: true,
	}
	longBody = &httpError{
		status: http.StatusRequestEntityTooLarge, kind: chat.TooLarge,
		detail: "the body of the request is too large: none is expected", close: true,
	}
	slowRequest = &httpError{
		status: http.StatusRequestTimeout, kind: chat.Invalid,
		detail: "the request took too long to arrive", close: true,
	}
	otherHTTP = &httpError{
		status: http.StatusHTTPVersionNotSupported, kind: chat.Invalid,
		detail: "HTTP/1.1 is expected", close: true,
	}

	notGet = &httpError{
		status: http.StatusMethodNotAllowed, kind: chat.Invalid,
		detail: "the gateway answers GET only", reason: "no_upgrade",
	}
	notUpgrade   = noUpgrade(http.StatusUpgradeRequired, "a WebSocket handshake over HTTP/1.1 is expected")
	otherVersion = noUpgrade(http.StatusUpgradeRequired, "WebSocket version 13 is expected")
	badKey       = noUpgrade(http.StatusBadRequest, "Sec-WebSocket-Key must be there once: 16 bytes in base64")

	badOrigin = &httpError{
		status: http.StatusForbidden, kind: chat.Forbidden,
		detail: "this origin may not open sockets", reason: "origin",
	}

	draining   = unavailable("draining", "this gateway is shutting down", 0)
	brokerAway = unavailable("broker_away", "the message broker can't be reached", 0)
	full       = unavailable("full", "this gateway holds as many sockets as it may", 0)
	noFiles    = unavailable("files", "this gateway holds as many sockets as its limit of open files has room for", 0)

	badHandshakes = map[inlet.Fault]*httpError{
		inlet.NotGet: notGet, inlet.NotUpgrade: notUpgrade, inlet.OtherVersion: otherVersion, inlet.BadKey: badKey,
	}

	httpErrors = []*httpError{
		otherPath, panicked, unreadable, longHead, longBody, slowRequest, otherHTTP, notGet, notUpgrade, otherVersion, badKey,
		badOrigin, draining, brokerAway, full, noFiles,
	}
)

// noUpgrade is a request for the socket's path that isn't a WebSocket handshake. The answer says what is expected.
func noUpgrade(status int, detail string) *httpError {
	return &httpError{status: status, kind: chat.Invalid, detail: detail, reason: "no_upgrade"}
}

// unavailable is a refusal for now. It is decided before the token is looked at, so that it costs little.
func unavailable(reason, detail string, wait time.Duration) *httpError {
	return &httpError{
		status: http.StatusServiceUnavailable, kind: chat.Unavailable, detail: detail, reason: reason, later: true, wait: wait, close: true,
	}
}

// refuse answers with a problem (RFC 9457). What may succeed later comes with a random Retry-After, so that refused
// clients don't come back all at once.
func (g *Gateway) refuse(ctx *fasthttp.RequestCtx, e *httpError) {
	if e.reason != "" {
		g.m.Refused.WithLabelValues(e.reason).Inc()
	}
	if e.later {
		ctx.Response.Header.Set("Retry-After", protocol.RetrySeconds(e.wait+jitter(5*time.Second)))
	}
	if e.status == http.StatusUpgradeRequired {
		ctx.Response.Header.Set("Upgrade", "websocket")
		ctx.Response.Header.Set("Sec-WebSocket-Version", "13")
	}
	if e.status == http.StatusMethodNotAllowed {
		ctx.Response.Header.Set("Allow", "GET")
	}
	if e.close {
		ctx.SetConnectionClose()
	}
	id := requestID(ctx)
	ctx.Response.Header.Set("X-Request-Id", id)
	p := protocol.NewProblem(chat.E(e.kind, "%s", e.detail), e.status, id)
	answer(ctx, e.status, protocol.ProblemType, string(protocol.AppendProblem(nil, p)))
}

// refuseUnread answers what fasthttp couldn't read as a request.
func (g *Gateway) refuseUnread(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var late net.Error
	switch {
	case errors.As(err, &small):
		g.refuse(ctx, longHead)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		g.refuse(ctx, longBody)
	case errors.As(err, &late) && late.Timeout():
		g.refuse(ctx, slowRequest)
	default:
		g.refuse(ctx, unreadable)
	}
}

func answer(ctx *fasthttp.RequestCtx, status int, contentType, body string) {
	ctx.SetStatusCode(status)
	ctx.SetContentType(contentType)
	ctx.SetBodyString(body)
}

// requestID is the client's own name for the request if it is a valid id, else a new one.
func requestID(ctx *fasthttp.RequestCtx) string {
	id := string(ctx.Request.Header.Peek("X-Request-Id"))
	if chat.CheckClientMsgID(id) == nil {
		return id
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// tokenCode returns the close code for a token that the Verifier refuses. protocol.CloseFor is the table for a
// connect that a worker refuses: there, unauthenticated means that the session was revoked.
func tokenCode(err error) protocol.CloseCode {
	if chat.KindOf(err) == chat.TokenExpired {
		return protocol.CloseTokenExpired
	}
	return protocol.CloseBadToken
}
