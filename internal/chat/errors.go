package chat

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind is what went wrong, from a closed set. Its String is the stable code that clients see (docs/protocol.md, "Errors").
type Kind uint8

// The kinds. Every edge (HTTP, socket, bus) has one table that turns each of them into its own answer.
const (
	Internal Kind = iota
	Invalid
	UnknownType
	UnknownField
	Unauthenticated
	TokenExpired
	Forbidden
	Muted
	Blocked
	NotFound
	Conflict
	UsernameTaken
	EmailTaken
	IdempotencyConflict
	RoomFull
	OutOfOrder
	TooLarge
	RateLimited
	Unavailable
	kindCount
)

var kindCodes = [kindCount]string{
	Internal: "internal", Invalid: "invalid", UnknownType: "unknown_type", UnknownField: "unknown_field",
	Unauthenticated: "unauthenticated", TokenExpired: "token_expired", Forbidden: "forbidden", Muted: "muted",
	Blocked: "blocked", NotFound: "not_found", Conflict: "conflict", UsernameTaken: "username_taken",
	EmailTaken: "email_taken", IdempotencyConflict: "idempotency_conflict", RoomFull: "room_full",
	OutOfOrder: "out_of_order", TooLarge: "too_large", RateLimited: "rate_limited", Unavailable: "unavailable",
}

// Kinds lists every kind, for tables that must cover them all.
func Kinds() []Kind {
	ks := make([]Kind, kindCount)
	for i := range ks {
		ks[i] = Kind(i)
	}
	return ks
}

// String returns the client-visible code.
func (k Kind) String() string {
	if k >= kindCount {
		return "internal"
	}
	return kindCodes[k]
}

// Retry tells whether the same request may succeed later, unchanged.
func (k Kind) Retry() bool {
	switch k {
	case OutOfOrder, RateLimited, Unavailable, Internal:
		return true
	default:
		return false
	}
}

// FieldError names one bad field of a request.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error is the one error type that crosses package walls. Msg is shown to the client; Err stays with the operator.
type Error struct {
	Kind       Kind
	Msg        string
	Fields     []FieldError
	RetryAfter time.Duration // 0: the edge's default for the kind
	Expected   uint64        // OutOfOrder: the client_seq that would be taken
	Err        error
}

// Error returns the operator's text: kind, message and cause.
func (e *Error) Error() string {
	s := e.Kind.String()
	if e.Msg != "" {
		s += ": " + e.Msg
	}
	for _, f := range e.Fields {
		s += fmt.Sprintf(" [%s: %s]", f.Field, f.Message)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// E makes an error of a kind with a message for the client.
func E(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...)}
}

// Wrap makes an error of a kind around a cause that the client must not see.
func Wrap(k Kind, err error, msg string) *Error { return &Error{Kind: k, Msg: msg, Err: err} }

// BadField makes an Invalid error about one field.
func BadField(field, format string, args ...any) *Error {
	m := fmt.Sprintf(format, args...)
	return &Error{Kind: Invalid, Msg: field + ": " + m, Fields: []FieldError{{Field: field, Message: m}}}
}

// KindOf finds the kind of an error: its own if it is or wraps an *Error, Unavailable for deadlines, else Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Unavailable
	}
	return Internal
}

// As returns err as an *Error, making one of KindOf(err) without a client message if it is none.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: KindOf(err), Err: err}
}
