package broker

import "errors"

var (
	// ErrFull means that the publishing window is full. The caller sheds load or tries again later.
	ErrFull = errors.New("broker: publishing window is full")
	// ErrUnavailable means that the broker has been unreachable, or has blocked publishing, for longer than Options.Patience.
	ErrUnavailable = errors.New("broker: unavailable")
	// ErrUnroutable means that no queue took the message.
	ErrUnroutable = errors.New("broker: unroutable")
	// ErrClosed means that the publisher was closed before the message was confirmed.
	ErrClosed = errors.New("broker: closed")
	// ErrTooLarge means that a record or body exceeds Options.MaxBody; retrying is pointless.
	ErrTooLarge = errors.New("broker: body too large")
)
