package road

import (
	"os"
	"path/filepath"
	"testing"

	"chat-service/internal/test/testkit"
)

// The road's limits, which are what one can read in an evening and keep in mind. ADR 14 says how the road is kept within them.
const (
	maxFiles   = 20
	maxLines   = 2500
	maxReturns = 5
)

// told reads the narrative of ARCHITECTURE.md and the code that it speaks of.
func told(t *testing.T) (source, narrative, []error) {
	t.Helper()
	root := testkit.Root(t)
	src, err := readSource(root)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := parse(string(text))
	if err != nil {
		t.Fatalf("ARCHITECTURE.md: %v", err)
	}
	n, errs := resolve(src, all)
	return src, n, errs
}

func TestNarrativeIsOfTheCode(t *testing.T) {
	_, n, errs := told(t)
	for _, err := range errs {
		t.Errorf("ARCHITECTURE.md: %v", err)
	}
	if len(n.stops) != len(stops) {
		t.Fatalf("ARCHITECTURE.md has %d stops, the road has %d", len(n.stops), len(stops))
	}
	for i, s := range n.stops {
		if s.number != i+1 || s.name != stops[i] {
			t.Errorf("ARCHITECTURE.md calls stop %d “%d. %s”, its name is %s", i+1, s.number, s.name, stops[i])
		}
	}
}

func TestRoadIsShort(t *testing.T) {
	_, n, _ := told(t)
	files, lines, returns := n.size()
	for _, is := range []struct {
		what       string
		got, limit int
	}{{"files", files, maxFiles}, {"lines of functions", lines, maxLines}, {"returns to a file left before", returns, maxReturns}} {
		if is.got > is.limit {
			t.Errorf("the road has %d %s, the limit is %d: bring together what is read together (`make road` shows the way)", is.got, is.what, is.limit)
		}
	}
}
