package daemon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestTrimOnlyWhereItPays(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		last, now heap
		want      uint64
	}{
		"after a storm":        {heap{allocated: 900 * mib}, heap{allocated: 901 * mib, objects: 60 * mib, live: 40 * mib, free: 10 * mib}, 30 * mib},
		"at work":              {heap{allocated: 900 * mib}, heap{allocated: 905 * mib, objects: 60 * mib, live: 40 * mib, free: 10 * mib}, 0},
		"too little":           {heap{}, heap{objects: 22 * mib, live: 20 * mib, free: 5 * mib}, 0},
		"little of much":       {heap{}, heap{objects: 1100 * mib, live: 1000 * mib, free: 100 * mib}, 0},
		"before a collection":  {heap{}, heap{objects: 2 * mib, live: 0, free: 1 * mib}, 0},
		"more lives than is":   {heap{}, heap{objects: 10 * mib, live: 12 * mib, free: 9 * mib}, 9 * mib},
		"given back just then": {heap{}, heap{objects: 40 * mib, live: 40 * mib}, 0},
	} {
		if got := c.now.slack(c.last); got != c.want {
			t.Errorf("%s: %d MiB, want %d", name, got/mib, c.want/mib)
		}
	}
}

var burst [][]byte // lives until a test drops it

// TestTrim leaves garbage behind and sees it collected after two looks; until then nothing else collects.
func TestTrim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		part := Trim()
		go func() { ended <- part.Run(ctx) }()
		synctest.Wait()
		for range 64 {
			burst = append(burst, make([]byte, 1<<20))
		}
		before := weigh()
		burst = nil
		time.Sleep(3 * trimEvery) // of the bubble
		synctest.Wait()
		if now := weigh(); now.objects+now.free+48<<20 > before.objects {
			t.Errorf("%d MiB are held after a burst, %d in it", (now.objects+now.free)>>20, before.objects>>20)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
