package bench

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBarsBelongToScenariosAndChoice(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range Bars() {
		seen[b.Scenario] = true
		if key := b.Scenario + b.Value; seen[key] {
			t.Errorf("%s %s twice", b.Scenario, b.Value)
		} else {
			seen[key] = true
		}
	}
	for _, s := range Scenarios() {
		if !seen[s] {
			t.Errorf("%s has no figure in the table", s)
		}
	}
	got, err := Choose("s4, S1,S4")
	if diff := cmp.Diff([]string{"S4", "S1"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := Choose("S1,S12"); err == nil || !strings.Contains(err.Error(), "S12") {
		t.Errorf("an unknown scenario: %v", err)
	}
	if err := DefaultPlan().Validate(); err != nil {
		t.Error(err)
	}
	if err := DefaultPlan().Quick().Validate(); err != nil {
		t.Error(err)
	}
	if err := (Plan{}).Validate(); err == nil {
		t.Error("an empty plan is valid")
	}
}
