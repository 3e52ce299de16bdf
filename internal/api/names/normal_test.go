package names

import "testing"

func TestNormal(t *testing.T) {
	for in, want := range map[string]string{" Ann ": "ann", "ＡＮＮ": "ann", "ﬁsh": "fish", "İx": "ix", "K": "k"} {
		got := Normal(in)
		if got != want || Normal(got) != got {
			t.Errorf("Normal(%q) = %q, then %q", in, got, Normal(got))
		}
	}
}
