package configtest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"chat-service/internal/config"
)

// Process is a process's configuration C, with its section of limits L.
type Process[C any, L comparable] struct {
	File     string
	Defaults func() C
	Limits   func(C) L
	Reads    []string // keys of the limits that the process reads
	All      []string // keys of all limits there are
}

// Check runs a subtest for each of what every process's configuration keeps.
func (p Process[C, L]) Check(t *testing.T) {
	t.Run("the file holds every key with its default", p.file)
	t.Run("every limit can be off", p.limitsOff)
	t.Run("limits of other processes are unknown", p.limitsOfOthers)
}

func (p Process[C, L]) file(t *testing.T) {
	want := p.Defaults()
	var got C
	if err := config.Load(p.File, &got, config.Environ(nil)); err != nil {
		t.Fatal(err)
	}
	secrets := cmp.Comparer(func(a, b config.Secret) bool { return a.Equal(b) })
	if d := cmp.Diff(want, got, secrets, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s differs from the defaults:\n%s", p.File, d)
	}
	given, err := config.FileKeys(p.File)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range config.Keys(want) {
		if !slices.Contains(given, k) {
			t.Errorf("%s doesn't mention %s", p.File, k)
		}
	}
}

func (p Process[C, L]) limitsOff(t *testing.T) {
	if len(p.Reads) == 0 {
		t.Fatal("no limits are given")
	}
	var env []string
	for _, key := range p.Reads {
		env = append(env, config.EnvName("limits."+key)+"=0")
	}
	cfg := p.Defaults()
	var none L
	if err := config.Load("", &cfg, config.Environ(env)); err != nil || p.Limits(cfg) != none {
		t.Errorf("all limits set to 0: %+v, %v", p.Limits(cfg), err)
	}
}

func (p Process[C, L]) limitsOfOthers(t *testing.T) {
	for _, key := range p.All {
		cfg := p.Defaults()
		err := config.Load("", &cfg, config.Environ([]string{config.EnvName("limits."+key) + "=0"}))
		if reads := slices.Contains(p.Reads, key); reads != (err == nil) {
			t.Errorf("%s is read here: %v, but Load says %v", key, reads, err)
		}
	}
}
