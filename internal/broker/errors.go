package broker

import "errors"

var (
	// ErrFull is returned when the publishing window is full. The caller sheds load or tries again later.
	ErrFull = errors.New("broker: publishing window is full")
	// ErrUnavailable is returned when the broker has been unreachable, or has blocked publishing, for longer than Options.Patience.
	ErrUnavailable = errors.New("broker: unavailable")
	// ErrUnroutable is the outcome of a message that no queue took.
	ErrUnroutable = errors.New("broker: unroutable")
	// ErrClosed is the outcome of a message that was not confirmed when the publisher was closed.
	ErrClosed = errors.New("broker: closed")
	// ErrTooLarge is returned when a record or body exceeds Options.MaxBody; retrying is pointless.
	ErrTooLarge = errors.New("broker: body too large")
)
