package configtest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	// Zero are the keys, besides limits, that may be 0, with what the row of docs/configuration.md says that it means, if it isn't just no time or
	// none.
	Zero map[string]string
}

// shared is Zero of the sections that several processes have.
var shared = map[string]string{
	"server.port": "0 lets the system choose", "server.give_up": "0: forever", "debug.port": "0 lets the system choose",
	"database.max_open": "0: no limit", "database.max_idle": "0: none", "database.conn_max_lifetime": "0: never",
	"database.conn_max_idle_time": "0: never", "redis.db": "a cluster has only database 0", "jwt.leeway": "",
}

// Check runs a subtest for each of what every process's configuration keeps.
func (p Process[C, L]) Check(t *testing.T) {
	t.Run("the file holds every key with its default", p.file)
	t.Run("every limit can be off", p.limitsOff)
	t.Run("limits of other processes are unknown", p.limitsOfOthers)
	t.Run("0 is refused or documented", p.zero)
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

// zero tries 0 as each number: it must be refused, or be known and, where it means something, documented as that.
func (p Process[C, L]) zero(t *testing.T) {
	docs, err := os.ReadFile(filepath.Join(filepath.Dir(p.File), "..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	meanings := maps.Clone(shared)
	maps.Copy(meanings, p.Zero)
	numbers := config.Numbers(p.Defaults())
	for _, key := range numbers {
		if strings.HasPrefix(key, "limits.") {
			continue // 0 is off: limitsOff
		}
		cfg := p.Defaults()
		err := config.Load("", &cfg, config.Environ([]string{config.EnvName(key) + "=0"}))
		means, known := meanings[key]
		switch {
		case err == nil && !known:
			t.Errorf("%s may be 0, and nothing says what that means", key)
		case err != nil && known:
			t.Errorf("%s can't be 0, which would mean %q: %v", key, means, err)
		case known && !documented(string(docs), key, means):
			t.Errorf("docs/configuration.md doesn't say of %s: %q", key, means)
		}
	}
	for key := range p.Zero {
		if !slices.Contains(numbers, key) {
			t.Errorf("%s is no number of this process", key)
		}
	}
}

// documented reports whether a row of a table names the key and says what is wanted.
func documented(docs, key, says string) bool {
	for row := range strings.Lines(docs) {
		if strings.HasPrefix(row, "|") && strings.Contains(row, "`"+key+"`") && strings.Contains(row, says) {
			return true
		}
	}
	return false
}
