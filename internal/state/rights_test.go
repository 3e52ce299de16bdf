package state

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestRightsCoverTheKeys: each key that a role's verbs use matches one of its patterns, and no other prefix's does.
func TestRightsCoverTheKeys(t *testing.T) {
	s := &State{prefix: "chat", opt: Options{}.withDefaults()}
	for role, keys := range map[Role][]string{
		APIRole: append(s.tryKeys("alice", "10.0.0.1"), s.rateKey("x"), s.recentKey(1), s.recentBeforeKey(1), s.leaseKey(), s.blindKey(), s.socketsKey(7)),
		WorkerRole: {
			s.socketsKey(7), s.indexKey("g.1"), s.leaseKey(), s.buriedKey(), s.revivedKey(), s.blindKey(), s.dueKey(3),
			s.routeKey(1), s.recentKey(1), s.recentBeforeKey(1), s.headKey(3, 20000), s.generationKey(),
		},
		OperatorRole: {s.socketsKey(7), s.leaseKey(), s.blindKey()},
	} {
		r := Options{}.Rights(role)
		patterns := slices.Concat(r.Keys, r.Reads)
		for _, key := range keys {
			if !slices.ContainsFunc(patterns, func(p string) bool { return glob(p, key) }) {
				t.Errorf("%s: no pattern of %v is for %s", role, patterns, key)
			}
			if foreign := "other" + key; slices.ContainsFunc(patterns, func(p string) bool { return glob(p, foreign) }) {
				t.Errorf("%s may use %s", role, foreign)
			}
		}
		if !slices.Equal(r.Channels, []string{s.callChannel()}) {
			t.Errorf("%s: channels %v", role, r.Channels)
		}
		rules := strings.Join(r.Rules("abc"), " ")
		if !strings.HasPrefix(rules, "reset on #abc -@all +ping ") || strings.Contains(rules, "+@") || strings.Contains(rules, "~*") {
			t.Errorf("%s: rules %s", role, rules)
		}
	}
}

// glob matches a pattern whose only wildcard is *, as Redis does.
func glob(pattern, key string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(key, parts[0]) {
		return false
	}
	key = key[len(parts[0]):]
	for i, p := range parts[1:] {
		if i == len(parts)-2 {
			return strings.HasSuffix(key, p)
		}
		_, rest, ok := strings.Cut(key, p)
		if !ok {
			return false
		}
		key = rest
	}
	return key == ""
}

func TestOpenBreakerSaysWhy(t *testing.T) {
	b := &breaker{limit: 1}
	if err := b.refusal(); !errors.Is(err, errOpen) {
		t.Error(err)
	}
	cause := errors.New("unknown authority")
	b.blame(answered, errors.New("WRONGTYPE"))
	b.blame(failed, cause)
	if err := b.refusal(); !errors.Is(err, errOpen) || !errors.Is(err, cause) {
		t.Error(err)
	}
}
