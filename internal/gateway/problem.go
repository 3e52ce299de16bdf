package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"strconv"

	"github.com/valyala/fasthttp"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

func answer(ctx *fasthttp.RequestCtx, status int, contentType, body string) {
	ctx.SetStatusCode(status)
	ctx.SetContentType(contentType)
	ctx.SetBodyString(body)
}

// refuse answers 503 with a jittered Retry-After, so that refused clients don't come back together.
func (g *Gateway) refuse(ctx *fasthttp.RequestCtx, reason string) {
	g.m.Refused.WithLabelValues(reason).Inc()
	ctx.Response.Header.Set("Retry-After", strconv.FormatInt(1+jitterMS(5), 10))
	problem(ctx, http.StatusServiceUnavailable, chat.Unavailable.String(), reason)
	ctx.SetConnectionClose()
}

// unreadable answers a request that is no HTTP, is too long or takes too long.
func unreadable(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var late net.Error
	switch {
	case errors.As(err, &small):
		problem(ctx, http.StatusRequestHeaderFieldsTooLarge, chat.TooLarge.String(), "the head of the request is too large")
	case errors.As(err, &late) && late.Timeout():
		problem(ctx, http.StatusRequestTimeout, chat.Invalid.String(), "the request took too long to arrive")
	default:
		problem(ctx, http.StatusBadRequest, chat.Invalid.String(), "the request can't be read")
	}
	ctx.SetConnectionClose()
}

// problem answers with RFC 9457 problem details.
func problem(ctx *fasthttp.RequestCtx, status int, code, detail string) {
	id := requestID(ctx)
	ctx.Response.Header.Set("X-Request-Id", id)
	b := append([]byte(`{"type":"about:blank","title":`), protocol.AppendString(nil, http.StatusText(status))...)
	b = append(strconv.AppendInt(append(b, `,"status":`...), int64(status), 10), `,"code":`...)
	b = append(protocol.AppendString(b, code), `,"detail":`...)
	b = append(protocol.AppendString(b, detail), `,"request_id":`...)
	b = append(protocol.AppendString(b, id), '}')
	answer(ctx, status, "application/problem+json", string(b))
}

// requestID names a request in what is refused: by the client's own name for it where that is sane.
func requestID(ctx *fasthttp.RequestCtx) string {
	id := string(ctx.Request.Header.Peek("X-Request-Id"))
	if chat.CheckClientMsgID(id) == nil {
		return id
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// tokenCode is the close code for a refused token.
func tokenCode(err error) protocol.CloseCode {
	if chat.KindOf(err) == chat.TokenExpired {
		return protocol.CloseTokenExpired
	}
	return protocol.CloseBadToken
}
