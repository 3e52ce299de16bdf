package server

import (
	"cmp"
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
	Type      string            `json:"type" doc:"always about:blank: code is the kind of the problem"`
	Title     string            `json:"title" doc:"the status in words"`
	Status    int               `json:"status"`
	Detail    string            `json:"detail,omitempty"`
	Code      string            `json:"code" doc:"stable kind of the error"`
	RequestID string            `json:"request_id" doc:"as in the header X-Request-Id"`
	Errors    []chat.FieldError `json:"errors,omitempty" doc:"the fields at fault, if code is invalid or unknown_field"`
	Expected  uint64            `json:"expected,omitempty" doc:"the client_seq that would be accepted, if code is out_of_order"`
}

// problemType is the media type of Problem.
const problemType = "application/problem+json"

// answer is what an error of a kind looks like over HTTP.
type answer struct {
	status int
	text   string // what a client reads if the error itself has nothing to say, or must not say it
}

// answers has a row for every kind. Invalid is 422: the request was read and a value is bad; what can't be read at
// all is refused by malformed, with 400.
var answers = map[chat.Kind]answer{
	chat.Internal:            {http.StatusInternalServerError, "something went wrong here; the request id names it in our logs"},
	chat.Invalid:             {http.StatusUnprocessableEntity, "a value is invalid"},
	chat.UnknownType:         {http.StatusBadRequest, "unknown type"},
	chat.UnknownField:        {http.StatusBadRequest, "unknown field"},
	chat.Unauthenticated:     {http.StatusUnauthorized, "log in first"},
	chat.TokenExpired:        {http.StatusUnauthorized, "the access token has expired: refresh it"},
	chat.Forbidden:           {http.StatusForbidden, "not allowed"},
	chat.Muted:               {http.StatusForbidden, "muted in this room"},
	chat.Blocked:             {http.StatusForbidden, "blocked"},
	chat.NotFound:            {http.StatusNotFound, "Not Found"},
	chat.Conflict:            {http.StatusConflict, "the state does not allow it"},
	chat.UsernameTaken:       {http.StatusConflict, "this username is taken"},
	chat.EmailTaken:          {http.StatusConflict, "this email address is taken"},
	chat.IdempotencyConflict: {http.StatusConflict, "this client_msg_id was used with another body"},
	chat.RoomFull:            {http.StatusConflict, "the room is full"},
	chat.OutOfOrder:          {http.StatusConflict, "client_seq is not the next one"},
	chat.TooLarge:            {http.StatusRequestEntityTooLarge, "too large"},
	chat.RateLimited:         {http.StatusTooManyRequests, "too many requests: wait a while"},
	chat.Unavailable:         {http.StatusServiceUnavailable, "the service can't do this right now; try again"},
}

// answerTo returns the row of a kind; of an unknown one, that of Internal.
func answerTo(k chat.Kind) answer {
	if a, ok := answers[k]; ok {
		return a
	}
	return answers[chat.Internal]
}

// refusal is an error with another status than its kind's.
type refusal struct {
	err    *chat.Error
	status int
}

// Error implements error.
func (r *refusal) Error() string { return r.err.Error() }

// Unwrap returns the error to show.
func (r *refusal) Unwrap() error { return r.err }

// malformed refuses, with 400, a request that can't be read.
func malformed(field, message string) error {
	return &refusal{chat.BadField(field, "%s", message), http.StatusBadRequest}
}

// translate turns any error into a status and the error to show.
func translate(err error) (int, *chat.Error) {
	var r *refusal
	var f *fiber.Error
	switch {
	case errors.As(err, &r):
		return r.status, r.err
	case errors.As(err, &f):
		return translateFiber(f)
	}
	e := chat.As(err)
	return answerTo(e.Kind).status, e
}

// translateFiber covers what the HTTP server itself refuses: unknown paths, wrong methods, unreadable and oversized
// requests.
func translateFiber(f *fiber.Error) (int, *chat.Error) {
	switch f.Code {
	case http.StatusNotFound:
		return f.Code, chat.E(chat.NotFound, "there is nothing at this path")
	case http.StatusMethodNotAllowed:
		return f.Code, chat.E(chat.Invalid, "this path does not support the method: see the header Allow")
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

// publicText is what a client reads of an error: its own message, else its kind's.
func publicText(e *chat.Error) string { return cmp.Or(e.Msg, answerTo(e.Kind).text) }

// writeProblem answers with err.
func writeProblem(c *fiber.Ctx, err error) error {
	status, e := translate(err)
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
