package server

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestBrake(t *testing.T) {
	refuse := func(ctx context.Context, b *brake, address string, n int) time.Duration {
		begun := time.Now()
		for range n {
			b.slow(ctx, address)
		}
		return time.Since(begun)
	}
	fresh := func() *brake { return &brake{refusals: newLocalThrottle(time.Now)} }
	synctest.Test(t, func(t *testing.T) {
		b := fresh()
		if took := refuse(t.Context(), b, "a", 20); took != 0 {
			t.Errorf("the first refusals took %v", took)
		}
		if took := refuse(t.Context(), b, "a", 10); took != 5*brakeFor { // in which five come back
			t.Errorf("ten more took %v, want %v", took, 5*brakeFor)
		}
		if took := refuse(t.Context(), b, "b", 20); took != 0 {
			t.Errorf("another address waited %v", took)
		}
		time.Sleep(3 * time.Second)
		if took := refuse(t.Context(), b, "a", 20); took != 0 {
			t.Errorf("after a while the first ones took %v", took)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		begun := time.Now()
		b.slow(gone, "a")
		if took := time.Since(begun); took != 0 {
			t.Errorf("whose request ended waited %v", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := fresh()
		refuse(t.Context(), b, "a", 20)
		begun := time.Now()
		var all sync.WaitGroup
		for range brakeMost {
			all.Go(func() { b.slow(t.Context(), "a") })
		}
		synctest.Wait()
		if took := refuse(t.Context(), b, "a", 50); took != 0 {
			t.Errorf("with %d waiting, others waited %v", brakeMost, took)
		}
		all.Wait()
		if took := time.Since(begun); took != brakeFor || b.waiting.Load() != 0 {
			t.Errorf("%d at once took %v, %d wait", brakeMost, took, b.waiting.Load())
		}
	})
}
