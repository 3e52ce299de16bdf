package protocol

import (
	"net/http"
	"strconv"
	"time"

	"chat-service/internal/chat"
)

// edge is what a kind of error is on each road out: the answer to a request, the end of a socket that can't connect, and the wait
// before the next try if the error doesn't name one.
type edge struct {
	status int
	closes CloseCode
	wait   time.Duration
}

// edges has a row for every kind of chat.Kinds.
var edges = [...]edge{
	chat.Internal:            {http.StatusInternalServerError, CloseServerError, 500 * time.Millisecond},
	chat.Invalid:             {http.StatusUnprocessableEntity, CloseServerError, 0}, // what can't be read at all: 400, see ErrMalformed
	chat.UnknownType:         {http.StatusBadRequest, CloseServerError, 0},
	chat.UnknownField:        {http.StatusBadRequest, CloseServerError, 0},
	chat.Unauthenticated:     {http.StatusUnauthorized, CloseRevoked, 0},
	chat.TokenExpired:        {http.StatusUnauthorized, CloseTokenExpired, 0},
	chat.Forbidden:           {http.StatusForbidden, CloseDisabled, 0},
	chat.Muted:               {http.StatusForbidden, CloseServerError, 0},
	chat.Blocked:             {http.StatusForbidden, CloseDisabled, 0},
	chat.NotFound:            {http.StatusNotFound, CloseServerError, 0},
	chat.Conflict:            {http.StatusConflict, CloseTooManySockets, 0},
	chat.UsernameTaken:       {http.StatusConflict, CloseServerError, 0},
	chat.EmailTaken:          {http.StatusConflict, CloseServerError, 0},
	chat.IdempotencyConflict: {http.StatusConflict, CloseServerError, 0},
	chat.VersionConflict:     {http.StatusConflict, CloseServerError, 0},
	chat.LimitReached:        {http.StatusConflict, CloseServerError, 0},
	chat.RoomFull:            {http.StatusConflict, CloseTooManySockets, 0},
	chat.OutOfOrder:          {http.StatusConflict, CloseServerError, 0},
	chat.TooLarge:            {http.StatusRequestEntityTooLarge, CloseServerError, 0},
	chat.RateLimited:         {http.StatusTooManyRequests, CloseRateLimited, time.Second},
	chat.Unavailable:         {http.StatusServiceUnavailable, CloseServerError, 500 * time.Millisecond},
}

func edgeOf(k chat.Kind) edge {
	if int(k) >= len(edges) {
		k = chat.Internal
	}
	return edges[k]
}

// Status returns the HTTP status of a kind. Invalid is 422: the request was read, and a value is bad.
func Status(k chat.Kind) int { return edgeOf(k).status }

// CloseFor returns the close code that ends a socket whose connect failed with e.
func CloseFor(e *chat.Error) CloseCode { return edgeOf(e.Kind).closes }

// RetryAfter is how long a client should wait before it repeats what failed with e: 0 if at once, or never.
func RetryAfter(e *chat.Error) time.Duration {
	switch {
	case !e.Kind.Retry():
		return 0
	case e.RetryAfter > 0:
		return e.RetryAfter
	}
	return edgeOf(e.Kind).wait
}

// PublicText is what a client reads about e: its message, or what its kind means.
func PublicText(e *chat.Error) string {
	if e.Msg != "" {
		return e.Msg
	}
	return e.Kind.Text()
}

// ProblemType is the media type of a Problem.
const ProblemType = "application/problem+json"

// Problem is the body of every HTTP error (RFC 9457), whoever answers: api, gateway or front door. Code is stable; Detail is for people
// and may change.
type Problem struct {
	Type      string            `json:"type" doc:"always about:blank: the code says what went wrong"`
	Title     string            `json:"title" doc:"the status in words"`
	Status    int               `json:"status"`
	Detail    string            `json:"detail,omitempty"`
	Code      string            `json:"code" doc:"stable kind of the error"`
	RequestID string            `json:"request_id" doc:"as in the header X-Request-Id"`
	Errors    []chat.FieldError `json:"errors,omitempty" doc:"the fields at fault, if code is invalid or unknown_field"`
	Expected  uint64            `json:"expected,omitempty" doc:"the client_seq that would be taken, if code is out_of_order"`
}

// NewProblem describes e to the client whose request is called requestID. A status of 0 is that of e's kind.
func NewProblem(e *chat.Error, status int, requestID string) Problem {
	if status == 0 {
		status = Status(e.Kind)
	}
	return Problem{Status: status, Detail: PublicText(e), Code: e.Kind.String(), RequestID: requestID, Errors: e.Fields, Expected: e.Expected}
}

// AppendProblem appends p as JSON. Type and Title follow from the rest, and needn't be set.
func AppendProblem(dst []byte, p Problem) []byte {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	return appendJSON(dst, p)
}

// RetrySeconds is the value of the header Retry-After: whole seconds, rounded up, at least one.
func RetrySeconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}
