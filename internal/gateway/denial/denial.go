// Package denial is what the gateway answers to a request that opens no socket: all such answers, and how they are written. When each is
// given is the gateway's to decide.
package denial

import (
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// Denial is the answer to a request that opens no socket.
type Denial struct {
	Status int
	Kind   chat.Kind
	Detail string
	Reason string        // the label by which refused_total counts it, "" if it doesn't
	later  bool          // the same request may succeed in some seconds: the answer says when
	wait   time.Duration // if later: not before that
	close  bool          // the connection can't be used again, or shouldn't
}

// SocketPath is where sockets are opened.
const SocketPath = "/api/v1/ws"

// All of the gateway's HTTP errors. Whatever goes wrong after the upgrade ends in a close code instead.
var (
	OtherPath = &Denial{Status: http.StatusNotFound, Kind: chat.NotFound, Detail: "the gateway serves " + SocketPath}
	Panicked  = &Denial{Status: http.StatusInternalServerError, Kind: chat.Internal, close: true}

	Unreadable = &Denial{Status: http.StatusBadRequest, Kind: chat.Invalid, Detail: "the request can't be read", close: true}
	LongHead   = &Denial{
		Status: http.StatusRequestHeaderFieldsTooLarge, Kind: chat.TooLarge,
		Detail: "the head of the request is too large", close: true,
	}
	LongBody = &Denial{
		Status: http.StatusRequestEntityTooLarge, Kind: chat.TooLarge,
		Detail: "the body of the request is too large: none is expected", close: true,
	}
	SlowRequest = &Denial{
		Status: http.StatusRequestTimeout, Kind: chat.Invalid,
		Detail: "the request took too long to arrive", close: true,
	}
	OtherHTTP = &Denial{
		Status: http.StatusHTTPVersionNotSupported, Kind: chat.Invalid,
		Detail: "HTTP/1.1 is expected", close: true,
	}

	NotGet = &Denial{
		Status: http.StatusMethodNotAllowed, Kind: chat.Invalid,
		Detail: "the gateway answers GET only", Reason: "no_upgrade",
	}
	NotUpgrade   = noUpgrade(http.StatusUpgradeRequired, "a WebSocket handshake over HTTP/1.1 is expected")
	OtherVersion = noUpgrade(http.StatusUpgradeRequired, "WebSocket version 13 is expected")
	BadKey       = noUpgrade(http.StatusBadRequest, "Sec-WebSocket-Key must be there once: 16 bytes in base64")

	BadOrigin = &Denial{
		Status: http.StatusForbidden, Kind: chat.Forbidden,
		Detail: "this origin may not open sockets", Reason: "origin",
	}

	Draining   = Unavailable("draining", "this gateway is shutting down", 0)
	BrokerAway = Unavailable("broker_away", "the message broker can't be reached", 0)
	Full       = Unavailable("full", "this gateway holds as many sockets as it may", 0)
	NoFiles    = Unavailable("files", "this gateway holds as many sockets as its limit of open files has room for", 0)

	all = []*Denial{
		OtherPath, Panicked, Unreadable, LongHead, LongBody, SlowRequest, OtherHTTP, NotGet, NotUpgrade, OtherVersion, BadKey,
		BadOrigin, Draining, BrokerAway, Full, NoFiles,
	}
)

// All returns every denial that is always the same.
func All() []*Denial { return slices.Clone(all) }

// noUpgrade is a request for the socket's path that isn't a WebSocket handshake. The answer says what is expected.
func noUpgrade(status int, detail string) *Denial {
	return &Denial{Status: status, Kind: chat.Invalid, Detail: detail, Reason: "no_upgrade"}
}

// Unavailable is a refusal for now. It is decided before the token is looked at, so that it costs little.
func Unavailable(reason, detail string, wait time.Duration) *Denial {
	return &Denial{
		Status: http.StatusServiceUnavailable, Kind: chat.Unavailable, Detail: detail, Reason: reason, later: true, wait: wait, close: true,
	}
}

// Answer answers with a problem (RFC 9457). What may succeed later comes with a random Retry-After, so that refused
// clients don't come back all at once.
func (e *Denial) Answer(ctx *fasthttp.RequestCtx) {
	if e.later {
		ctx.Response.Header.Set("Retry-After", protocol.RetrySeconds(e.wait+rand.N(5*time.Second)))
	}
	if e.Status == http.StatusUpgradeRequired {
		ctx.Response.Header.Set("Upgrade", "websocket")
		ctx.Response.Header.Set("Sec-WebSocket-Version", "13")
	}
	if e.Status == http.StatusMethodNotAllowed {
		ctx.Response.Header.Set("Allow", "GET")
	}
	if e.close {
		ctx.SetConnectionClose()
	}
	id := requestID(ctx)
	ctx.Response.Header.Set("X-Request-Id", id)
	p := protocol.NewProblem(chat.E(e.Kind, "%s", e.Detail), e.Status, id)
	Write(ctx, e.Status, protocol.ProblemType, string(protocol.AppendProblem(nil, p)))
}

// OfUnread returns the denial of what fasthttp couldn't read as a request.
func OfUnread(err error) *Denial {
	var small *fasthttp.ErrSmallBuffer
	var late net.Error
	switch {
	case errors.As(err, &small):
		return LongHead
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return LongBody
	case errors.As(err, &late) && late.Timeout():
		return SlowRequest
	default:
		return Unreadable
	}
}

// Write writes an answer.
func Write(ctx *fasthttp.RequestCtx, status int, contentType, body string) {
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
	_, _ = crand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
