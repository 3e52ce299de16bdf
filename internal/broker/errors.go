package broker

import "errors"

var (
	// ErrFull tells that the publishing window is full: the caller sheds load or tries again later.
	ErrFull = errors.New("broker: publishing window is full")
	// ErrUnavailable tells that the broker has been away or has blocked us for longer than Options.Patience.
	ErrUnavailable = errors.New("broker: unavailable")
	// ErrUnroutable tells that no queue took the message.
	ErrUnroutable = errors.New("broker: unroutable")
	// ErrClosed tells that the publisher was closed before the message was confirmed.
	ErrClosed = errors.New("broker: closed")
	// ErrTooLarge tells that a record or body exceeds Options.MaxBody; retrying is pointless.
	ErrTooLarge = errors.New("broker: body too large")
)
