package config

import (
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Keys lists the paths of all settings of v, a struct or a pointer to one, in the order of their declaration.
func Keys(v any) []string {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer {
		rv = rv.Elem()
	}
	fields := fieldsOf(rv)
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

// Numbers lists those of Keys that are numbers, times and ports among them: what 0 does has to be known of each.
func Numbers(v any) (keys []string) {
	for _, f := range fieldsOf(reflect.Indirect(reflect.ValueOf(v))) {
		if f.val.CanInt() || f.val.CanUint() || f.val.CanFloat() {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// FileKeys lists the paths of all settings that the YAML file at path gives, in its order. Compared with Keys it
// shows whether an example file names everything there is.
func FileKeys(path string) ([]string, error) {
	root, err := parseFile(path)
	if err != nil || root == nil {
		return nil, err
	}
	return appendNodeKeys(nil, root, ""), nil
}

func appendNodeKeys(out []string, m *yaml.Node, prefix string) []string {
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, val := prefix+m.Content[i].Value, resolve(m.Content[i+1])
		if val.Kind == yaml.MappingNode {
			out = appendNodeKeys(out, val, key+".")
		} else {
			out = append(out, key)
		}
	}
	return out
}

// Print writes v as YAML, secrets redacted. Given a struct of defaults it prints the file that changes nothing.
func Print(w io.Writer, v any) error {
	var n yaml.Node
	if err := n.Encode(v); err != nil {
		return err
	}
	prune(&n, Keys(v), "")
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(&n); err != nil {
		return err
	}
	return enc.Close()
}

// prune removes from a mapping what a Selective section doesn't read.
func prune(m *yaml.Node, known []string, prefix string) {
	var kept []*yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		key := prefix + m.Content[i].Value
		section := slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, key+".") })
		if section {
			prune(m.Content[i+1], known, key+".")
		}
		if section || slices.Contains(known, key) {
			kept = append(kept, m.Content[i], m.Content[i+1])
		}
	}
	m.Content = kept
}

func (l *loader) find(key string) *field {
	for i := range l.fields {
		if l.fields[i].key == key {
			return &l.fields[i]
		}
	}
	return nil
}

func (l *loader) isSection(key string) bool {
	return slices.ContainsFunc(l.fields, func(f field) bool { return strings.HasPrefix(f.key, key+".") })
}

func (l *loader) keys() []string {
	keys := make([]string, len(l.fields))
	for i, f := range l.fields {
		keys[i] = f.key
	}
	return keys
}

// fileKey returns "jwt.secret" for "jwt.secret_file".
func fileKey(key string) (base string, ok bool) { return strings.CutSuffix(key, "_file") }

// hint names the known word nearest to a misspelt one, and says what to do in any case.
func hint(word string, known []string) string {
	best, dist := "", 1+len(word)/3
	for _, k := range known {
		if d := distance(word, k); d < dist {
			best, dist = k, d
		}
	}
	if best == "" {
		return ": remove it, or see -print-defaults for what there is"
	}
	return ": did you mean " + best + "?"
}

// distance is Levenshtein's, over bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, diag+1, row[j]+1)
		}
	}
	return row[len(b)]
}
