package daemon

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	trimEvery = 15 * time.Second // between two looks
	trimCalm  = 4 << 20          // bytes allocated between two looks, up to which the process counts as calm
	trimWorth = 8 << 20          // bytes to be had, below which a collection isn't worth it
)

// Trim is a part that gives memory back to the system when a burst is over. The collector lets the heap grow to twice of what
// lives, and runs again when it has doubled; after a storm of connections, which then are silent, that may take forever.
func Trim() Part {
	return Part{Name: "memory", Run: func(ctx context.Context) error {
		tick := time.NewTicker(trimEvery)
		defer tick.Stop()
		last := weigh()
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
			now := weigh()
			if now.slack(last) > 0 {
				debug.FreeOSMemory()
				now = weigh()
			}
			last = now
		}
	}}
}

// heap is what the runtime tells of it, in bytes.
type heap struct {
	allocated uint64 // since the start
	objects   uint64 // living and dead
	live      uint64 // after the last collection
	free      uint64 // held, for later
}

func weigh() heap {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	return heap{s[0].Value.Uint64(), s[1].Value.Uint64(), s[2].Value.Uint64(), s[3].Value.Uint64()}
}

// slack is what a collection would give back, 0 where it isn't worth one: little against what lives, or the process is at work.
func (h heap) slack(last heap) uint64 {
	n := h.free + h.objects - min(h.objects, h.live)
	if h.allocated-last.allocated > trimCalm || n < max(trimWorth, h.live/4) {
		return 0
	}
	return n
}
