package names

import "testing"

func TestCheckUsername(t *testing.T) {
	for name, ok := range map[string]bool{
		"ann": true, "ann.b-c_1": true, "_ann": true, "42": true, "иван": true, "张伟": true, "たなかタロウ": true, "김철수": true, "tanaka太郎": true,
		"åsa": true, "محمد": true, "ελένη": true,
		"me": false, "..": false, "--": false, "._-": false,
		"аdmin": false, "pаypal": false, "αdmin": false, "иvan": false, "ann\u200d": false, "ann\u3164": false, "\u3164\u3164": false, "ann\u202eb": false,
	} {
		if err := CheckUsername(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
