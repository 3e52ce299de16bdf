package latency

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHistBucketsCoverEveryValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64Range(0, 1<<62).Draw(t, "v")
		i := bucketOf(v)
		if i < 0 || i >= buckets {
			t.Fatalf("%d falls into bucket %d of %d", v, i, buckets)
		}
		if up := upperEdge(i); v > up || i > 0 && v <= upperEdge(i-1) {
			t.Fatalf("%d falls into bucket %d (%d, %d]", v, i, upperEdge(i-1), up)
		}
	})
}

func TestHistQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vs := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Hour)), 1, 300).Draw(t, "vs")
		var h Hist
		for _, v := range vs {
			h.Add(time.Duration(v))
		}
		slices.Sort(vs)
		for _, q := range []float64{0, .5, .9, .99, 1} {
			exact := vs[min(max(int(q*float64(len(vs))+0.999999)-1, 0), len(vs)-1)]
			got := int64(h.Quantile(q))
			if got < exact || float64(got) > float64(exact)*1.04+1 {
				t.Fatalf("q%.2f of %v = %d, exact %d", q, vs, got, exact)
			}
		}
		if int64(h.Max()) != vs[len(vs)-1] || h.Count() != int64(len(vs)) {
			t.Fatalf("max %d, count %d of %v", h.Max(), h.Count(), vs)
		}
	})
}

func TestHistEmptyAndNegative(t *testing.T) {
	var h Hist
	if h.Quantile(.99) != 0 || h.Mean() != 0 {
		t.Errorf("an empty histogram answers %v, %v", h.Quantile(.99), h.Mean())
	}
	h.Add(-time.Second) // a clock's trick must not index outside
	h.Add(10)
	if h.Count() != 2 || h.Mean() != 5 {
		t.Errorf("count %d, mean %d", h.Count(), h.Mean())
	}
}
