package jobs

import (
	"context"
	"time"
)

// Every calls f, with a deadline, at each tick until ctx ends.
func Every(ctx context.Context, d, deadline time.Duration, f func(context.Context)) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			fctx, cancel := context.WithTimeout(ctx, deadline)
			f(fctx)
			cancel()
		}
	}
}
