// Package aptsource reads the entries of a Debian machine's apt sources, of its own distribution alone, and writes them for a private apt.
package aptsource

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Source is one entry of apt's sources.
type Source struct {
	uris       string
	suites     string
	components string
	signedBy   string // path or key block, as written
	trusted    bool
}

// Machine reads the entries of the machine's distribution from etc: those whose suite is the release's code
// name or begins with it. Third parties' entries are left out, because a broken one would fail the whole update.
func Machine(etc, code string) ([]Source, error) {
	files := []string{filepath.Join(etc, "sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		more, err := filepath.Glob(filepath.Join(etc, "sources.list.d", pattern))
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	var all []Source
	for _, f := range files {
		b, err := os.ReadFile(f)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read apt sources: %w", err)
		}
		if strings.HasSuffix(f, ".sources") {
			all = append(all, parseDeb822(string(b))...)
		} else {
			all = append(all, parseList(string(b))...)
		}
	}
	var own []Source
	for _, s := range all {
		if code != "" && strings.HasPrefix(s.suites, code) {
			own = append(own, s)
		}
	}
	if len(own) == 0 {
		return nil, fmt.Errorf("no apt source of this release (%q) under %s", code, etc)
	}
	return own, nil
}

// Sid is one entry for Debian's sid on the machine's main mirror.
func Sid(own []Source) ([]Source, error) {
	for _, s := range own {
		first, _, _ := strings.Cut(s.suites, " ")
		uri, _, _ := strings.Cut(s.uris, " ")
		if strings.Contains(first, "-") || !strings.Contains(uri, "debian") {
			continue
		}
		return []Source{{uris: uri, suites: "sid", components: "main", signedBy: s.signedBy, trusted: s.trusted}}, nil
	}
	return nil, errors.New("this machine's apt sources name no Debian mirror")
}

// parseDeb822 reads the enabled binary entries of a .sources file.
func parseDeb822(text string) []Source {
	var out []Source
	for stanza := range strings.SplitSeq(strings.ReplaceAll(text, "\r", ""), "\n\n") {
		fields, key := map[string]string{}, ""
		for line := range strings.SplitSeq(stanza, "\n") {
			switch {
			case strings.HasPrefix(line, "#"), strings.TrimSpace(line) == "":
			case line[0] == ' ' || line[0] == '\t':
				fields[key] += "\n" + line
			default:
				name, value, _ := strings.Cut(line, ":")
				key = strings.ToLower(name)
				fields[key] = strings.TrimSpace(value)
			}
		}
		types := strings.Fields(fields["types"])
		binary := len(types) > 0 && (types[0] == "deb" || types[len(types)-1] == "deb")
		if !binary || strings.EqualFold(fields["enabled"], "no") {
			continue
		}
		out = append(out, Source{
			uris: fields["uris"], suites: fields["suites"], components: fields["components"],
			signedBy: fields["signed-by"], trusted: strings.EqualFold(fields["trusted"], "yes"),
		})
	}
	return out
}

// parseList reads one-line entries: deb [options] uri suite component….
func parseList(text string) []Source {
	var out []Source
	for line := range strings.SplitSeq(text, "\n") {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		var s Source
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			opts, after, _ := strings.Cut(rest[1:], "]")
			rest = after
			for _, o := range strings.Fields(opts) {
				k, v, _ := strings.Cut(o, "=")
				switch strings.ToLower(k) {
				case "signed-by":
					s.signedBy = v
				case "trusted":
					s.trusted = v == "yes"
				}
			}
		}
		f := strings.Fields(rest)
		if len(f) < 3 {
			continue
		}
		s.uris, s.suites, s.components = f[0], f[1], strings.Join(f[2:], " ")
		out = append(out, s)
	}
	return out
}

// Text writes the entries as a .sources file.
func Text(list []Source) string {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\n", s.uris, s.suites, s.components)
		if s.signedBy != "" {
			fmt.Fprintf(&b, "Signed-By: %s\n", s.signedBy)
		}
		if s.trusted {
			b.WriteString("Trusted: yes\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Codename is the release's name in the text of os-release.
func Codename(release string) string {
	for line := range strings.SplitSeq(release, "\n") {
		if v, ok := strings.CutPrefix(line, "VERSION_CODENAME="); ok {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}
