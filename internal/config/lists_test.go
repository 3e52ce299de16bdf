package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type entry struct {
	Name string   `yaml:"name"`
	Wait Duration `yaml:"wait"`
	Tags []string `yaml:"tags"`
}

func (e *entry) SetDefaults() { e.Wait = Duration(time.Second) }

type listing struct {
	Entries []entry `yaml:"entries"`
}

// TestListsOfSections: entries have defaults, are read strictly, and mean the same in the file and in a variable.
func TestListsOfSections(t *testing.T) {
	want := listing{[]entry{{"a", Duration(time.Second), []string{"x", "y"}}, {"b", Duration(2 * time.Second), nil}}}
	path := filepath.Join(t.TempDir(), "c.yaml")
	file := "entries:\n  - name: a\n    tags: [x, y]\n  - {name: b, wait: 2s}\n"
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	var read, env listing
	if err := Load(path, &read, Environ(nil)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, read); d != "" {
		t.Error(d)
	}
	if err := Load("", &env, Environ([]string{`CHAT_ENTRIES=[{"name":"a","tags":["x","y"]},{"name":"b","wait":"2s"}]`})); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, env); d != "" {
		t.Error(d)
	}
	if err := Load(path, &read, Environ([]string{"CHAT_ENTRIES="})); err != nil || len(read.Entries) != 0 {
		t.Errorf("an empty variable leaves %v, %v", read.Entries, err)
	}
	var b strings.Builder
	if err := Print(&b, want); err != nil || !strings.Contains(b.String(), "- name: a\n    wait: 1s\n") {
		t.Errorf("printed: %s %v", b.String(), err)
	}
	for text, says := range map[string]string{
		"[{nome: a}, {name: [1]}]": "entry 1:1: nome: is unknown: did you mean name?",
		"[{name: a, wait: 3}]":     "entry 1:1: wait: \"3\" is not a duration",
		"[{name: a, name: b}]":     "is there twice",
		"a, b":                     "must be a list of sections",
		"[a]":                      "entry 1: must hold keys and values",
		"{name: a}":                "must be a list of sections",
		"[":                        "must be a list of sections",
	} {
		var got listing
		if err := Load("", &got, Environ([]string{"CHAT_ENTRIES=" + text})); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}
