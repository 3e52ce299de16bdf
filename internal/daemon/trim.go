package daemon

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	trimEvery = 15 * time.Second // between two measurements
	trimCalm  = 4 << 20          // bytes allocated between two measurements, up to which a small process counts as idle
	trimWorth = 8 << 20          // bytes allocated since the last collection, below which another one isn't worth it
)

// Trim is a part that returns memory to the system when a burst is over. The collector runs only when the heap has grown to
// twice the live data; after a storm of connections that then stay silent, that may never happen.
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

// heap is what the runtime reports about it, in bytes.
type heap struct {
	allocated uint64 // since the start
	objects   uint64 // live and dead
}

func weigh() heap {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return heap{s[0].Value.Uint64(), s[1].Value.Uint64()}
}

// due reports whether a collection is worth its cost: the process is idle, and has allocated much since the last one, both
// relative to the size of the heap.
func (h heap) due(last, trimmed heap) bool {
	return h.allocated-last.allocated <= max(trimCalm, h.objects/16) && h.allocated-trimmed.allocated >= max(trimWorth, h.objects/4)
}
