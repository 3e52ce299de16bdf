package server

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// Problem is the body of every error (RFC 9457). Code is stable; Detail is for people and may change.
type Problem struct {
	Type      string            `json:"type" doc:"always about:blank: the code tells the kind"`
	Title     string            `json:"title" doc:"the status in words"`
	Status    int               `json:"status"`
	Detail    string            `json:"detail,omitempty"`
	Code      string            `json:"code" doc:"stable kind of the error"`
	RequestID string            `json:"request_id" doc:"as in the header X-Request-Id"`
	Errors    []chat.FieldError `json:"errors,omitempty" doc:"the fields at fault, where code is invalid or unknown_field"`
	Expected  uint64            `json:"expected,omitempty" doc:"the client_seq that would be taken, where code is out_of_order"`
}

// problemType is the media type of Problem.
const problemType = "application/problem+json"

// statusOf maps every kind to its HTTP status. Invalid is 422: the request was read and a value is bad; what could not
// be read at all is refused by malformed, with 400.
func statusOf(k chat.Kind) int {
	switch k {
	case chat.Invalid:
		return http.StatusUnprocessableEntity
	case chat.UnknownType, chat.UnknownField:
		return http.StatusBadRequest
	case chat.Unauthenticated, chat.TokenExpired:
		return http.StatusUnauthorized
	case chat.Forbidden, chat.Muted, chat.Blocked:
		return http.StatusForbidden
	case chat.NotFound:
		return http.StatusNotFound
	case chat.Conflict, chat.UsernameTaken, chat.EmailTaken, chat.IdempotencyConflict, chat.RoomFull, chat.OutOfOrder:
		return http.StatusConflict
	case chat.TooLarge:
		return http.StatusRequestEntityTooLarge
	case chat.RateLimited:
		return http.StatusTooManyRequests
	case chat.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// refusal is an error whose status differs from its kind's.
type refusal struct {
	err    *chat.Error
	status int
}

// Error implements error.
func (r *refusal) Error() string { return r.err.Error() }

// Unwrap returns the error that is refused with.
func (r *refusal) Unwrap() error { return r.err }

// malformed refuses, with 400, a request that can't be read.
func malformed(field, message string) error {
	return &refusal{chat.BadField(field, "%s", message), http.StatusBadRequest}
}

// judge turns any error into a status and the error to show.
func judge(err error) (int, *chat.Error) {
	var r *refusal
	var f *fiber.Error
	switch {
	case errors.As(err, &r):
		return r.status, r.err
	case errors.As(err, &f):
		return judgeFiber(f)
	}
	e := chat.As(err)
	return statusOf(e.Kind), e
}

// judgeFiber covers what the HTTP server itself refuses: unknown paths, wrong methods, unreadable and oversized requests.
func judgeFiber(f *fiber.Error) (int, *chat.Error) {
	switch f.Code {
	case http.StatusNotFound:
		return f.Code, chat.E(chat.NotFound, "there is nothing at this path")
	case http.StatusMethodNotAllowed:
		return f.Code, chat.E(chat.Invalid, "this path does not know the method, see the header Allow")
	case http.StatusRequestEntityTooLarge:
		return f.Code, chat.E(chat.TooLarge, "the body is too large")
	case http.StatusRequestHeaderFieldsTooLarge:
		return f.Code, chat.E(chat.TooLarge, "the headers are larger than %d bytes", headerLimit)
	case http.StatusRequestTimeout:
		return f.Code, chat.E(chat.Invalid, "the request took too long to arrive")
	}
	if f.Code >= 400 && f.Code < 500 {
		return http.StatusBadRequest, chat.E(chat.Invalid, "the request can't be read")
	}
	return http.StatusInternalServerError, chat.Wrap(chat.Internal, f, "")
}

// publicText is what a client reads where the error has nothing to say, or must not say it.
func publicText(e *chat.Error) string {
	if e.Msg != "" {
		return e.Msg
	}
	switch e.Kind {
	case chat.Internal:
		return "something went wrong here; the request id names it in our logs"
	case chat.Unavailable:
		return "the service can't do this right now; try again"
	default:
		return http.StatusText(statusOf(e.Kind))
	}
}

// writeProblem answers with err.
func writeProblem(c *fiber.Ctx, err error) error {
	status, e := judge(err)
	p := Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: publicText(e),
		Code: e.Kind.String(), RequestID: requestID(c), Errors: e.Fields, Expected: e.Expected,
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	switch status {
	case http.StatusUnauthorized:
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer error="invalid_token"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		c.Set(fiber.HeaderRetryAfter, retrySeconds(protocol.RetryAfter(e)))
	}
	c.Set(fiber.HeaderContentType, problemType)
	return c.Status(status).Send(body)
}

// retrySeconds rounds up to whole seconds, at least one.
func retrySeconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}
