package telemetry

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	acceptPauseFirst   = 5 * time.Millisecond
	acceptPauseLongest = time.Second
	acceptLogEvery     = 30 * time.Second // at the limit, connections fail and succeed by turns
)

// Listener is a listener that survives what passes: while the process has no file or the kernel no memory for one more
// connection, Accept waits and tries again. HTTP servers end at such an error, or stop accepting for good.
type Listener struct {
	net.Listener

	name   string
	log    *slog.Logger
	count  func() // each failed accept
	failed atomic.Pointer[error]
	once   sync.Once
	closed chan struct{}

	logged time.Time // when a failure was, by Accept alone
	shown  bool      // the present failure was logged
}

// NewListener wraps l. name is for the log; count, unless it is nil, is called for each connection that couldn't be
// accepted.
func NewListener(l net.Listener, name string, log *slog.Logger, count func()) *Listener {
	return &Listener{Listener: l, name: name, log: log, count: count, closed: make(chan struct{})}
}

// Accept waits for the next connection. An error means that the listener has ended.
func (l *Listener) Accept() (net.Conn, error) {
	for pause := acceptPauseFirst; ; pause = min(2*pause, acceptPauseLongest) {
		c, err := l.Listener.Accept()
		if err == nil {
			if l.failed.Load() != nil {
				l.failed.Store(nil)
				if l.shown {
					l.log.Info("connections are accepted again", "listener", l.name)
				}
				l.shown = false
			}
			return c, nil
		}
		if !passes(err) {
			return nil, err
		}
		l.note(err)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-l.closed:
			t.Stop()
			return nil, net.ErrClosed
		}
	}
}

// note keeps an error for Failing, and logs the first of a row, from time to time.
func (l *Listener) note(err error) {
	if l.count != nil {
		l.count()
	}
	first := l.failed.Load() == nil && time.Since(l.logged) >= acceptLogEvery
	err = fmt.Errorf("listener %s: no connection can be accepted: %w", l.name, err)
	l.failed.Store(&err)
	if first {
		l.logged, l.shown = time.Now(), true
		l.log.Error("no connection can be accepted; it is tried again until one is",
			"listener", l.name, "error", err, "hint", "raise the limit of open files (ulimit -n, LimitNOFILE)")
	}
}

// Failing returns why the last accept failed, nil if it didn't.
func (l *Listener) Failing() error {
	if err := l.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Close ends the listener and a pause of Accept.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// passing are the errors of accept(2) that say nothing about the listener: no room at the moment, or a connection that
// ended before it was accepted.
var passing = []error{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPROTO, syscall.EPERM, syscall.EINTR, syscall.EAGAIN,
	syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP,
}

func passes(err error) bool {
	for _, e := range passing {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
