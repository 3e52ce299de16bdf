package latency

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	subBits = 5 // 32 buckets per power of two: a value is known to 3 %
	subSize = 1 << subBits
	buckets = (64 - subBits) * subSize
)

// Hist counts durations in logarithmic buckets, 15 KB however many there are. Any goroutine may add.
type Hist struct {
	n, sum, max atomic.Int64
	count       [buckets]atomic.Int64
}

func bucketOf(v int64) int {
	if v < subSize {
		return int(max(v, 0))
	}
	e := bits.Len64(uint64(v)) - subBits - 1
	return e*subSize + int(v>>e)
}

// upperEdge is the largest value that falls into bucket i.
func upperEdge(i int) int64 {
	if i < 2*subSize {
		return int64(i)
	}
	e := i/subSize - 1
	return int64(i%subSize+subSize+1)<<e - 1
}

// Add counts one duration; a negative one counts as none.
func (h *Hist) Add(d time.Duration) {
	v := max(int64(d), 0)
	h.count[bucketOf(v)].Add(1)
	h.n.Add(1)
	h.sum.Add(v)
	for {
		old := h.max.Load()
		if v <= old || h.max.CompareAndSwap(old, v) {
			return
		}
	}
}

// Count is the number of durations.
func (h *Hist) Count() int64 { return h.n.Load() }

// Max is the longest duration.
func (h *Hist) Max() time.Duration { return time.Duration(h.max.Load()) }

// Mean is the average; 0 when there is none.
func (h *Hist) Mean() time.Duration {
	n := h.n.Load()
	if n == 0 {
		return 0
	}
	return time.Duration(h.sum.Load() / n)
}

// Quantile returns the duration that the share q (0 to 1) of all does not exceed, at most 3 % above the true one; 0 when
// there is none.
func (h *Hist) Quantile(q float64) time.Duration {
	n := h.n.Load()
	if n == 0 {
		return 0
	}
	rank := min(max(int64(q*float64(n)+0.999999), 1), n)
	var seen int64
	for i := range h.count {
		if seen += h.count[i].Load(); seen >= rank {
			return time.Duration(min(upperEdge(i), h.max.Load()))
		}
	}
	return h.Max()
}
