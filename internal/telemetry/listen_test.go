package telemetry

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
)

// scripted is a listener whose Accept fails as told, and then gives connections.
type scripted struct {
	net.Listener

	errs []error
}

func (s *scripted) Accept() (net.Conn, error) {
	if len(s.errs) == 0 {
		c, _ := net.Pipe()
		return c, nil
	}
	err := s.errs[0]
	s.errs = s.errs[1:]
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: err}
}

func (s *scripted) Close() error { return nil }

func TestListenerSurvivesWhatPasses(t *testing.T) {
	var log bytes.Buffer
	count := 0
	l := NewListener(&scripted{errs: []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ECONNABORTED}}, "sockets",
		slog.New(slog.NewTextHandler(&log, nil)), func() { count++ })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if count != 4 || l.Failing() != nil {
		t.Errorf("%d failures, %v is left", count, l.Failing())
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "ulimit -n") {
		t.Errorf("a row of failures should be one error with a hint:\n%s", log.String())
	}
}

// At the limit connections fail and succeed by turns: that is told once, not at every turn.
func TestListenerTellsOfTurnsOnce(t *testing.T) {
	var log bytes.Buffer
	script := &scripted{}
	l := NewListener(script, "sockets", slog.New(slog.NewTextHandler(&log, nil)), nil)
	for range 5 {
		script.errs = []error{syscall.EMFILE}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		if l.Failing() != nil {
			t.Errorf("still failing: %v", l.Failing())
		}
	}
	if failed, again := strings.Count(log.String(), "level=ERROR"), strings.Count(log.String(), "accepted again"); failed != 1 || again != 1 {
		t.Errorf("%d errors and %d all-clears:\n%s", failed, again, log.String())
	}
}

func TestListenerEndsForGood(t *testing.T) {
	l := NewListener(&scripted{errs: []error{net.ErrClosed}}, "sockets", slog.New(slog.DiscardHandler), nil)
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener gives %v", err)
	}
}

func TestListenerFailsWhileItPausesAndEndsAtOnce(t *testing.T) {
	var many []error
	for range 1000 {
		many = append(many, syscall.EMFILE)
	}
	failed := make(chan struct{}, len(many))
	l := NewListener(&scripted{errs: many}, "sockets", slog.New(slog.DiscardHandler), func() { failed <- struct{}{} })
	ended := make(chan error)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	<-failed
	<-failed // the second comes after the first was noted
	if !errors.Is(l.Failing(), syscall.EMFILE) {
		t.Errorf("failing: %v", l.Failing())
	}
	_ = l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed while it paused: %v", err)
	}
}
