package db

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAmong(t *testing.T) {
	columns := []string{"a", "b", "c"}
	for _, c := range []struct {
		rows [][]any
		text string
		args []any
	}{
		{[][]any{{1, 2, "x"}}, "a = ? AND b = ? AND c = ? AND TRUE", []any{1, 2, "x"}},
		{[][]any{{1, 2, "x"}, {1, 2, "x"}}, "a = ? AND b = ? AND c = ? AND TRUE", []any{1, 2, "x"}},
		{[][]any{{1, 2, "x"}, {1, 2, "y"}}, "a = ? AND b = ? AND c IN (?,?)", []any{1, 2, "x", "y"}},
		{[][]any{{1, 2, "x"}, {3, 2, "y"}}, "b = ? AND (a, c) IN ((?,?),(?,?))", []any{2, 1, "x", 3, "y"}},
		{[][]any{{1, 2, "x"}, {3, 4, "x"}, {1, 2, "y"}}, "(a, b, c) IN ((?,?,?),(?,?,?),(?,?,?))", []any{1, 2, "x", 3, 4, "x", 1, 2, "y"}},
		{[][]any{{uint64(1), uint64(2), "x"}, {uint64(3), uint64(2), "y"}}, "b = 2 AND (a, c) IN ((1,?),(3,?))", []any{"x", "y"}},
	} {
		var q Statement
		q.Among(columns, c.rows)
		if q.String() != c.text {
			t.Errorf("got %s, want %s", q.String(), c.text)
		}
		if diff := cmp.Diff(c.args, q.args); diff != "" {
			t.Errorf("%s:\n%s", c.text, diff)
		}
	}
}
