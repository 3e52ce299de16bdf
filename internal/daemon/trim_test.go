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
		last, trimmed, now heap
		want               bool
	}{
		"after a storm":      {heap{allocated: 900 * mib}, heap{allocated: 100 * mib}, heap{904 * mib, 60 * mib}, true},
		"after the start":    {heap{allocated: 50 * mib}, heap{}, heap{50 * mib, 30 * mib}, true},
		"at work":            {heap{allocated: 900 * mib}, heap{allocated: 100 * mib}, heap{905 * mib, 60 * mib}, false},
		"large at rest":      {heap{allocated: 970 * mib}, heap{allocated: 100 * mib}, heap{1000 * mib, 600 * mib}, true},
		"large at work":      {heap{allocated: 900 * mib}, heap{allocated: 100 * mib}, heap{1000 * mib, 600 * mib}, false},
		"just done":          {heap{allocated: 900 * mib}, heap{allocated: 900 * mib}, heap{903 * mib, 12 * mib}, false},
		"little":             {heap{allocated: 906 * mib}, heap{allocated: 900 * mib}, heap{907 * mib, 12 * mib}, false},
		"little for so many": {heap{allocated: 996 * mib}, heap{allocated: 900 * mib}, heap{999 * mib, 1000 * mib}, false},
	} {
		if got := c.now.due(c.last, c.trimmed); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
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
		if now := weigh(); now.objects+48<<20 > before.objects {
			t.Errorf("%d MiB are held after a burst, %d in it", now.objects>>20, before.objects>>20)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
