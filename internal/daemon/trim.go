package daemon

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	trimEvery = 15 * time.Second // between two looks
	trimCalm  = 4 << 20          // bytes allocated between two looks, up to which a small process counts as calm
	trimWorth = 8 << 20          // bytes allocated since the last time, below which a collection isn't worth it
)

// Trim is a part that gives memory back to the system when a burst is over. The collector lets the heap grow to twice of what
// lives, and runs again when it has doubled; after a storm of connections, which then are silent, that may take forever.
func Trim() Part {
	return Part{Name: "memory", Run: func(ctx context.Context) error {
		tick := time.NewTicker(trimEvery)
		defer tick.Stop()
		trimmed, last := heap{}, weigh()
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
			now := weigh()
			if now.due(last, trimmed) {
				debug.FreeOSMemory()
				now = weigh()
				trimmed = now
			}
			last = now
		}
	}}
}

// heap is what the runtime tells of it, in bytes.
type heap struct {
	allocated uint64 // since the start
	objects   uint64 // living and dead
}

func weigh() heap {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return heap{s[0].Value.Uint64(), s[1].Value.Uint64()}
}

// due tells whether a collection pays: the process is at rest, and has allocated much since the last one, both measured by what
// there is.
func (h heap) due(last, trimmed heap) bool {
	return h.allocated-last.allocated <= max(trimCalm, h.objects/16) && h.allocated-trimmed.allocated >= max(trimWorth, h.objects/4)
}
