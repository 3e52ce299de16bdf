package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Defaulted is an entry of a list of sections that has defaults, which its keys replace.
type Defaulted interface{ SetDefaults() }

// listsSections reports whether the field is a list whose entries have keys of their own.
func (f field) listsSections() bool {
	return f.val.Kind() == reflect.Slice && isSection(f.val.Type().Elem())
}

// setSectionsText reads the list from one text, as a variable holds it: YAML in flow style, or JSON. Empty: no entries.
func (f field) setSectionsText(text string) error {
	var doc yaml.Node
	if strings.TrimSpace(text) == "" {
		text = "[]"
	}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) != 1 {
		return errors.New("must be a list of sections in one line, such as [{key: value}]")
	}
	return f.setSections(resolve(doc.Content[0]))
}

// setSections reads each entry as strictly as the file itself; all errors come at once.
func (f field) setSections(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return errors.New("must be a list of sections: write - before the first key of each")
	}
	var errs []error
	out := reflect.MakeSlice(f.val.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		where := fmt.Sprintf("entry %d", i+1)
		c = resolve(c)
		if c.Kind != yaml.MappingNode {
			errs = append(errs, fmt.Errorf("%s: must hold keys and values", where))
			continue
		}
		if d, ok := out.Index(i).Addr().Interface().(Defaulted); ok {
			d.SetDefaults()
		}
		l := &loader{fields: fieldsOf(out.Index(i))}
		l.walk(where, "", c)
		errs = append(errs, l.errs...)
	}
	f.val.Set(out)
	return errors.Join(errs...)
}
