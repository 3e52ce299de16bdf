package sockets_test

import (
	"testing"

	"chat-service/internal/worker/sockets"
)

func TestBound(t *testing.T) {
	var s sockets.Set[int]
	for i := range sockets.Bound + 10 {
		s.Add(-1)
		s.Add(i)
	}
	if n := len(s.Some(2 * sockets.Bound)); n != sockets.Bound {
		t.Errorf("%d are kept, the bound is %d", n, sockets.Bound)
	}
	for _, x := range s.Some(sockets.Bound - 1) {
		s.Done(x)
	}
	if l := s.Some(10); len(l) != 1 {
		t.Errorf("%v is left of %d when all but one are done", l, sockets.Bound)
	}
}
