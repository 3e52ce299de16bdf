package bench

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func tallyOf(from, last uint64, seqs ...uint64) Tally {
	t := NewTrack(1, from)
	for _, s := range seqs {
		t.See(s)
	}
	return t.End(last)
}

func TestTrackCatches(t *testing.T) {
	for _, tt := range []struct {
		name string
		from uint64
		last uint64
		seqs []uint64
		want Tally
	}{
		{"nothing, where all is well", 4, 7, []uint64{5, 6, 7}, Tally{}},
		{"a loss in the middle", 0, 4, []uint64{1, 2, 4}, Tally{Lost: 1}},
		{"a lost tail", 0, 5, []uint64{1, 2, 3}, Tally{Lost: 2}},
		{"a loss of everything", 3, 6, nil, Tally{Lost: 3}},
		{"a repeat at once", 0, 2, []uint64{1, 2, 2}, Tally{Repeated: 1}},
		{"a late repeat", 0, 3, []uint64{1, 2, 3, 1}, Tally{Repeated: 1}},
		{"two that changed places", 0, 3, []uint64{1, 3, 2}, Tally{Disordered: 1}},
		{"one far behind, then twice", 0, 5, []uint64{1, 4, 5, 3, 3}, Tally{Lost: 1, Disordered: 1, Repeated: 1}},
		{"repeats from before the welcome apart", 5, 6, []uint64{4, 5, 6}, Tally{Early: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tallyOf(tt.from, tt.last, tt.seqs...); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// Whatever is dropped, doubled and swapped, the counts are exact.
func TestTrackCountsPlantedFaults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(5, 200).Draw(t, "n")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var seqs []uint64
		var want Tally
		for s := uint64(1); s <= n; s++ {
			switch rng.IntN(10) {
			case 0:
				want.Lost++
			case 1:
				seqs = append(seqs, s, s)
				want.Repeated++
			default:
				seqs = append(seqs, s)
			}
		}
		if got := tallyOf(0, n, seqs...); got != want {
			t.Fatalf("%v: got %+v, want %+v", seqs, got, want)
		}
		rng.Shuffle(len(seqs), func(i, j int) { seqs[i], seqs[j] = seqs[j], seqs[i] })
		got := tallyOf(0, n, seqs...)
		if got.Lost != want.Lost || got.Repeated != want.Repeated {
			t.Fatalf("shuffled %v: got %+v, want %+v", seqs, got, want)
		}
		if (got.Disordered == 0) != slices.IsSorted(firsts(seqs)) {
			t.Fatalf("shuffled %v: %d out of order", seqs, got.Disordered)
		}
	})
}

// firsts leaves out repeats.
func firsts(seqs []uint64) (out []uint64) {
	for _, s := range seqs {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func row(lane int, n uint32, seq uint64) stored {
	return stored{Seq: seq, ID: string(appendID(nil, "run", lane, n, 7))}
}

func TestCheckStoredCatches(t *testing.T) {
	system := stored{Seq: 3}
	for _, tt := range []struct {
		name string
		rows []stored
		acks []acked
		last uint64
		want Tally
	}{
		{"nothing, where all is well", []stored{row(2, 1, 2), system, row(2, 2, 4)}, []acked{{1, 2}, {2, 4}}, 4, Tally{Stored: 2}},
		{"an ack without a row", []stored{row(2, 1, 2)}, []acked{{1, 2}, {2, 3}}, 2, Tally{Stored: 1, Unstored: 1}},
		{"an ack with another seq than its row's", []stored{row(2, 1, 2), row(2, 2, 3)}, []acked{{1, 3}, {2, 2}}, 3, Tally{Stored: 2, Unstored: 2}},
		{"one send in two rows", []stored{row(2, 1, 2), row(2, 1, 3)}, []acked{{1, 2}}, 3, Tally{Stored: 1, StoredMore: 1}},
		{"a hole", []stored{row(2, 1, 2), row(2, 2, 5)}, []acked{{1, 2}, {2, 5}}, 5, Tally{Stored: 2, Holes: 2}},
		{"nothing of another lane", []stored{row(2, 1, 2), row(9, 1, 3)}, []acked{{1, 2}}, 3, Tally{Stored: 1}},
		{"an unanswered send that was stored is no fault", []stored{row(2, 1, 2)}, nil, 2, Tally{Stored: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			last, got := checkStored("run", 2, 1, tt.rows, tt.acks)
			if last != tt.last || got != tt.want {
				t.Errorf("last %d, %+v; want %d, %+v", last, got, tt.last, tt.want)
			}
		})
	}
}

func TestViolations(t *testing.T) {
	fine := Tally{Sent: 9, Acked: 9, Stored: 9, Delivered: 81, Early: 2, Heads: 1, Refused: 1}
	if bad := fine.Violations(); bad != "" {
		t.Errorf("no promise was broken: %q", bad)
	}
	for _, tt := range []struct {
		t    Tally
		want string
	}{
		{Tally{Lost: 3}, "3 not delivered"},
		{Tally{Repeated: 1}, "1 delivered twice"},
		{Tally{Disordered: 1}, "1 out of order"},
		{Tally{Unstored: 2}, "2 acked but not stored"},
		{Tally{StoredMore: 1}, "1 stored twice"},
		{Tally{Holes: 1}, "1 seqs missing"},
		{Tally{Unanswered: 1}, "1 never answered"},
		{Tally{Closed: 1}, "1 connections closed"},
	} {
		both := Violations([]Row{{Audit: &fine}, {}, {Audit: &tt.t}})
		if !strings.HasPrefix(both, tt.want) || strings.Contains(both, ",") {
			t.Errorf("%+v: %q, want %q alone", tt.t, both, tt.want)
		}
	}
}
