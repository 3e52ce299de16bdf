package spread

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpread(t *testing.T) {
	sp := New([]string{"a", "b", "c"}, []int{3}, 16)
	owns, stands := 0, 0
	for _, w := range sp.Workers {
		if w.Owns < 4 || w.Owns > 6 {
			t.Errorf("%s owns %d", w.Boot, w.Owns)
		}
		owns, stands = owns+w.Owns, stands+w.Standby
	}
	if owns != 16 || stands != 16 {
		t.Errorf("%d owned, %d stood by", owns, stands)
	}
	for _, p := range sp.Partitions {
		if p.Owner == "" || p.Owner == p.Standby || p.Outbox != (p.Partition == 3) {
			t.Errorf("%+v", p)
		}
	}
	if got := New(nil, nil, 2).PartitionRows()[1]; !cmp.Equal(got, []string{"0", "-", "-", "empty", "?"}) {
		t.Errorf("without workers: %v", got)
	}
}

// TestChange: a worker more takes its share, and little else moves; one that goes leaves its own, to those who stood by.
func TestChange(t *testing.T) {
	two := []string{"a", "b"}
	p := Change(two, append([]string{"c"}, two...), 16)
	if len(p.Before) != 2 || len(p.After) != 3 {
		t.Fatalf("%+v", p)
	}
	takes := 0
	for _, m := range p.Moves {
		if m.To == "c" {
			takes++
		}
		if m.To == "c" && m.Ready {
			t.Errorf("a worker that doesn't run stood by: %+v", m)
		}
	}
	if takes < 5 || takes > 6 || len(p.Moves) > 8 {
		t.Errorf("the new worker takes %d of 16, %d move", takes, len(p.Moves))
	}
	p = Change(two, []string{"a"}, 16)
	if len(p.Moves) != 8 || p.After[0].Owns != 16 {
		t.Errorf("one of two goes: %d move, the other has %d", len(p.Moves), p.After[0].Owns)
	}
	for _, m := range p.Moves {
		if m.From != "b" || m.To != "a" || !m.Ready {
			t.Errorf("%+v: want the standby of b's", m)
		}
	}
	if p := Change(two, two, 16); len(p.Moves) != 0 || p.Standbys != 0 {
		t.Errorf("no change: %+v", p)
	}
	p = Change([]string{"a"}, nil, 2)
	if want := [][]string{{"WORKER", "OWNS NOW", "WOULD OWN"}, {"a", "2", "-"}}; !cmp.Equal(p.Rows(), want) {
		t.Errorf("rows %v", p.Rows())
	}
	if want := [][]string{{"PARTITION", "FROM", "TO", "STANDS BY NOW"}, {"0", "a", "-", "no"}, {"1", "a", "-", "no"}}; !cmp.Equal(p.MoveRows(), want) {
		t.Errorf("rows of moves %v", p.MoveRows())
	}
}
