package sockets

import "testing"

func TestRetrySetIsBounded(t *testing.T) {
	var s retrySet[int]
	for i := range retryBound + 10 {
		s.add(-1)
		s.add(i)
	}
	if n := len(s.some(2 * retryBound)); n != retryBound {
		t.Errorf("%d are kept, the bound is %d", n, retryBound)
	}
	for _, x := range s.some(retryBound - 1) {
		s.done(x)
	}
	if l := s.some(10); len(l) != 1 {
		t.Errorf("%v is left of %d when all but one are done", l, retryBound)
	}
}
