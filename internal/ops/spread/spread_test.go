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
