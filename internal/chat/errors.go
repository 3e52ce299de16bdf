package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Kind is what went wrong, from a closed set. Its String is the stable code that clients see (docs/protocol.md, "Errors").
type Kind uint8

// The kinds; the table kinds says everything about each but what it is at an edge. HTTP, sockets and close codes take that from one
// table, protocol's edges.
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
	VersionConflict
	LimitReached
	RoomFull
	OutOfOrder
	TooLarge
	RateLimited
	Unavailable
	kindCount
)

// KindSpec is a row of the table of kinds.
type KindSpec struct {
	Kind  Kind
	Code  string // what clients see; never changed
	Retry bool   // the same request may succeed later, unchanged
	Doc   string // what it means; the message of an error that has none of its own
}

var kinds = [kindCount]KindSpec{
	{Invalid, "invalid", false, "malformed JSON, or a value out of range"},
	{UnknownType, "unknown_type", false, "no such frame type"},
	{UnknownField, "unknown_field", false, "no such field"},
	{Unauthenticated, "unauthenticated", false, "no valid token"},
	{TokenExpired, "token_expired", false, "the token has expired: refresh it"},
	{Forbidden, "forbidden", false, "not allowed, or not with this role"},
	{Muted, "muted", false, "muted in this room"},
	{Blocked, "blocked", false, "this account is disabled"},
	{NotFound, "not_found", false, "it doesn't exist, or you may not see it"},
	{Conflict, "conflict", false, "the state doesn't allow it"},
	{UsernameTaken, "username_taken", false, "another account has this username"},
	{EmailTaken, "email_taken", false, "another account has this address"},
	{IdempotencyConflict, "idempotency_conflict", false, "this `client_msg_id` or `change_id` was used with another body"},
	{VersionConflict, "version_conflict", false, "the message doesn't have the version of `if_version`"},
	{LimitReached, "limit_reached", false, "there are as many already as there may be"},
	{RoomFull, "room_full", false, "the room has the maximum number of members"},
	{OutOfOrder, "out_of_order", true, "`client_seq` is not the next; see `expected`"},
	{TooLarge, "too_large", false, "larger than the limit"},
	{RateLimited, "rate_limited", true, "too many requests; try again later"},
	{Unavailable, "unavailable", true, "the service is temporarily unavailable; try again"},
	{Internal, "internal", true, "something went wrong on the server; try again"},
}

// KindSpecs returns the registry of error kinds, in the order of the documents.
func KindSpecs() []KindSpec { return slices.Clone(kinds[:]) }

// Kinds returns every kind, for tables that must cover them all.
func Kinds() []Kind {
	ks := make([]Kind, kindCount)
	for i := range ks {
		ks[i] = Kind(i)
	}
	return ks
}

// spec finds the kind's row; a number that is no kind counts as Internal.
func (k Kind) spec() *KindSpec {
	for i := range kinds {
		if kinds[i].Kind == k {
			return &kinds[i]
		}
	}
	return Internal.spec()
}

// String returns the client-visible code.
func (k Kind) String() string { return k.spec().Code }

// Retry reports whether the same request may succeed later, unchanged.
func (k Kind) Retry() bool { return k.spec().Retry }

// Text returns what the kind means, for a client that gets no better message.
func (k Kind) Text() string { return k.spec().Doc }

// FieldError names one bad field of a request.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error is the one error type that crosses package walls.
type Error struct {
	Kind       Kind
	Msg        string        // for the client, in plain words; "": Kind.Text
	Fields     []FieldError  // Invalid, UnknownField: the fields at fault
	RetryAfter time.Duration // 0: the default of the kind (protocol.RetryAfter)
	Expected   uint64        // OutOfOrder: the client_seq that is next
	Err        error         // the cause, for the operator only
}

// Error returns the text for the operator: kind, message, fields and cause.
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

// E makes an error with a message for the client.
func E(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...)}
}

// Wrap makes an error around a cause that the client must not see.
func Wrap(k Kind, err error, msg string) *Error { return &Error{Kind: k, Msg: msg, Err: err} }

// BadField makes an Invalid error about one field.
func BadField(field, format string, args ...any) *Error {
	m := fmt.Sprintf(format, args...)
	return &Error{Kind: Invalid, Msg: field + ": " + m, Fields: []FieldError{{Field: field, Message: m}}}
}

// KindOf returns the kind of an error: its own if it is or wraps an *Error, Unavailable if a deadline or a cancelled context ended the
// work, else Internal.
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

// As returns err as an *Error; one that isn't gets its kind from KindOf, and no message for the client.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: KindOf(err), Err: err}
}
