package ports

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func save(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

func TestPortsStay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ports.json")
	load := func() *File {
		t.Helper()
		p, err := Load(file, save)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	take := func(p *File, name string) int {
		t.Helper()
		port, err := p.Take(name)
		if err != nil {
			t.Fatal(err)
		}
		return port
	}
	p := load()
	a, b := take(p, "a"), take(p, "b")
	if a == b || a < Low || b >= High {
		t.Fatalf("ports %d and %d", a, b)
	}
	if got := take(p, "a"); got != a {
		t.Errorf("asked again, a is %d, before it was %d", got, a)
	}
	p = load()
	if got := take(p, "a"); got != a {
		t.Errorf("the second run got %d for a, the first %d", got, a)
	}
	p = load()
	p.free = func(port int) bool { return port != a }
	moved := take(p, "a")
	if moved == a || moved == b {
		t.Errorf("a taken port was answered: %d (a was %d, b is %d)", moved, a, b)
	}
	if got := take(load(), "a"); got != moved {
		t.Errorf("the new port was not kept: %d, want %d", got, moved)
	}
	p = load()
	p.free = func(int) bool { return false }
	if _, err := p.Take("c"); err == nil {
		t.Error("no port is free, and one was answered")
	}
}

func TestPortsDamagedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ports.json")
	if err := os.WriteFile(file, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file, save); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("Load = %v, want advice", err)
	}
}
