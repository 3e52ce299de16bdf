//go:build linux || darwin

package daemon

import (
	"syscall"
	"testing"
)

func TestFileLimitIsRaisedToTheHardOne(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	low := syscall.Rlimit{Cur: min(before.Max, 256), Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) })
	limit, ok := RaiseFileLimit()
	var after syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &after)
	if !ok || limit != before.Max || after.Cur != before.Max {
		t.Errorf("raised from %d to %d (%v), the system says %d; the hard limit is %d", low.Cur, limit, ok, after.Cur, before.Max)
	}
}
