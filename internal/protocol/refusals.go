package protocol

import (
	"net/http"
	"slices"

	"chat-service/internal/chat"
)

// Refusal is a row of Refusals: a request that HTTP's own rules refuse, whoever reads it first: api, gateway or front door.
type Refusal struct {
	Status int
	Kind   chat.Kind // its code in the problem
	Doc    string    // why; the problem's detail, if whoever refuses has nothing better to say
}

// refusals are in the order of their statuses. Where the status isn't the kind's own (Status), the code says no more than that the
// request must be changed.
var refusals = []Refusal{
	{http.StatusBadRequest, chat.Invalid, "the request can't be read"},
	{http.StatusNotFound, chat.NotFound, "there is nothing at this path"},
	{http.StatusMethodNotAllowed, chat.Invalid, "this path does not support the method: see the header Allow"},
	{http.StatusRequestTimeout, chat.Invalid, "the request took too long to arrive"},
	{http.StatusRequestEntityTooLarge, chat.TooLarge, "the body is too large"},
	{http.StatusUnsupportedMediaType, chat.Invalid, "the body must be application/json in UTF-8, without an encoding"},
	{http.StatusExpectationFailed, chat.Invalid, "the only expectation that is supported is 100-continue"},
	{http.StatusUpgradeRequired, chat.Invalid, "a WebSocket handshake over HTTP/1.1 is expected, version 13"},
	{http.StatusRequestHeaderFieldsTooLarge, chat.TooLarge, "the headers are too large"},
	{http.StatusNotImplemented, chat.Invalid, "this method or transfer encoding is not known here"},
	{http.StatusHTTPVersionNotSupported, chat.Invalid, "this version of HTTP is not supported: use HTTP/1.1"},
}

// Refusals returns the registry of refusals.
func Refusals() []Refusal { return slices.Clone(refusals) }

// Refuse is the error of a refusal with a status; ok is false if there is none.
func Refuse(status int) (e *chat.Error, ok bool) {
	for _, r := range refusals {
		if r.Status == status {
			return chat.E(r.Kind, "%s", r.Doc), true
		}
	}
	return nil, false
}
