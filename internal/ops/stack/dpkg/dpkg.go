// Package dpkg reads the list of packages that a Debian machine has.
//
// It knows which of them make up the private servers, and nothing about how those are downloaded or run.
package dpkg

import (
	"slices"
	"strings"
)

// serverFamilies begin the names of the packages, or of their sources, that make up the private servers.
var serverFamilies = []string{"erlang", "rabbitmq", "mariadb", "mysql", "galera", "redis", "valkey"}

// WithoutServers is a dpkg status without the servers' own packages, and without what can't be installed without them: a private tree must
// be whole by itself, and packages that the machine has are not unpacked into it. Erlang in /usr doesn't help a RabbitMQ elsewhere.
func WithoutServers(status string) string {
	all := stanzas(status)
	gone := map[string]bool{} // names of packages that are left out, and what they provide
	leave := func(s stanza) {
		gone[s.name] = true
		for _, p := range names(s.fields["Provides"]) {
			gone[p[0]] = true
		}
	}
	kept := slices.DeleteFunc(all, func(s stanza) bool {
		if s.ofServers() {
			leave(s)
		}
		return s.ofServers()
	})
	for before := -1; before != len(kept); {
		before = len(kept)
		there := map[string]bool{}
		for _, s := range kept {
			there[s.name] = true
			for _, p := range names(s.fields["Provides"]) {
				there[p[0]] = true
			}
		}
		kept = slices.DeleteFunc(kept, func(s stanza) bool {
			lacks := slices.ContainsFunc(names(s.fields["Pre-Depends"]+","+s.fields["Depends"]), func(alternatives []string) bool {
				return slices.ContainsFunc(alternatives, func(n string) bool { return gone[n] }) &&
					!slices.ContainsFunc(alternatives, func(n string) bool { return there[n] })
			})
			if lacks {
				leave(s)
			}
			return lacks
		})
	}
	var b strings.Builder
	for _, s := range kept {
		b.WriteString(s.text + "\n\n")
	}
	return b.String()
}

// stanza is one package of a dpkg status.
type stanza struct {
	name   string
	fields map[string]string // those of one line
	text   string
}

func stanzas(status string) (all []stanza) {
	for text := range strings.SplitSeq(status, "\n\n") {
		text = strings.Trim(text, "\n")
		if text == "" {
			continue
		}
		s := stanza{text: text, fields: map[string]string{}}
		for line := range strings.SplitSeq(text, "\n") {
			if key, val, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") {
				s.fields[key] = strings.TrimSpace(val)
			}
		}
		s.name = s.fields["Package"]
		all = append(all, s)
	}
	return all
}

func (s stanza) ofServers() bool {
	return slices.ContainsFunc(serverFamilies, func(f string) bool {
		return strings.HasPrefix(s.name, f) || strings.HasPrefix(s.fields["Source"], f)
	})
}

// names splits a field of relations, "a (>= 1) | b, c:any", into alternatives.
func names(field string) (all [][]string) {
	for clause := range strings.SplitSeq(field, ",") {
		var alternatives []string
		for a := range strings.SplitSeq(clause, "|") {
			name, _, _ := strings.Cut(strings.TrimSpace(a), " ")
			name, _, _ = strings.Cut(name, ":")
			if name != "" {
				alternatives = append(alternatives, name)
			}
		}
		if len(alternatives) > 0 {
			all = append(all, alternatives)
		}
	}
	return all
}
