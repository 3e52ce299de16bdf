package testkit

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if standIn() {
		return
	}
	goleak.VerifyTestMain(m)
}

func TestEventually(t *testing.T) {
	n := 0
	Eventually(t, 20*time.Second, func() (bool, string) { n++; return n == 5, "not yet" })
	f := &failing{TB: t}
	func() {
		defer func() { _ = recover() }()
		Eventually(f, 0, func() (bool, string) { return false, "the reason" })
	}()
	if f.text != "not within 0s: the reason" {
		t.Errorf("%q", f.text)
	}
}

// failing is a test that notes how it failed.
type failing struct {
	testing.TB
	text string
}

func (f *failing) Helper() {}
func (f *failing) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	panic(f.text)
}
