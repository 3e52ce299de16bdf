package turns

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestTurns: whoever waits has a turn within a round, once; who comes later has another, and when it ends all have theirs.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given := map[int]time.Duration{}
		var began time.Time
		turns := New(func(i int) {
			if _, twice := given[i]; twice {
				t.Errorf("%d has two turns", i)
			}
			given[i] = time.Since(began)
		})
		go turns.Run()
		var flags [100]bool
		for range 2 {
			began = time.Now()
			for range 2 {
				for i := range flags {
					turns.Add(i, uint64(i), &flags[i])
				}
			}
			time.Sleep(within)
			synctest.Wait()
			at := map[time.Duration]int{}
			for _, d := range given {
				at[d]++
			}
			if len(given) != len(flags) || len(at) != 10 || at[within] != 10 {
				t.Errorf("%d had a turn, at %v", len(given), at)
			}
			clear(given)
			time.Sleep(time.Second)
		}
		for i := range flags {
			turns.Add(i, uint64(i), &flags[i])
		}
		turns.Close()
		if len(given) != len(flags) || flags[0] {
			t.Errorf("%d had a turn when it ended", len(given))
		}
	})
}
