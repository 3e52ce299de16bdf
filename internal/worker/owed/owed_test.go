package owed_test

import (
	"testing"

	"chat-service/internal/worker/owed"
)

func TestBound(t *testing.T) {
	var s owed.Set[int]
	for i := range owed.Bound + 10 {
		s.Add(-1)
		s.Add(i)
	}
	if n := len(s.Some(2 * owed.Bound)); n != owed.Bound {
		t.Errorf("%d are kept, the bound is %d", n, owed.Bound)
	}
	for _, x := range s.Some(owed.Bound - 1) {
		s.Done(x)
	}
	if l := s.Some(10); len(l) != 1 {
		t.Errorf("%v is left of %d when all but one are done", l, owed.Bound)
	}
}
