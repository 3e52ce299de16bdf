package config

import (
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// field is one setting: a leaf of the struct.
type field struct {
	key string
	val reflect.Value
}

// fieldsOf lists the leaves below v, a struct, in the order of their declaration.
func fieldsOf(v reflect.Value) []field { return appendFields(nil, v, "") }

func appendFields(out []field, v reflect.Value, prefix string) []field {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		name := nameOf(sf)
		switch {
		case name == "":
		case isSection(sf.Type):
			out = append(out, selected(v.Field(i), prefix+name+".")...)
		default:
			out = append(out, field{key: prefix + name, val: v.Field(i)})
		}
	}
	return out
}

// Selective is a section whose struct several processes share, each of which reads only some of its keys: the others are unknown.
type Selective interface {
	// ConfigKeys lists the keys that are read, without the section's own.
	ConfigKeys() []string
}

func selected(section reflect.Value, prefix string) []field {
	all := appendFields(nil, section, prefix)
	s, ok := section.Interface().(Selective)
	if !ok {
		return all
	}
	read := s.ConfigKeys()
	return slices.DeleteFunc(all, func(f field) bool { return !slices.Contains(read, strings.TrimPrefix(f.key, prefix)) })
}

// nameOf returns a struct field's key, "" where it has none. Embedded structs have a key like any other: were they
// inlined, their Validate would be promoted and called twice.
func nameOf(sf reflect.StructField) string {
	name, _, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
	switch {
	case !sf.IsExported() || name == "-":
		return ""
	case name == "":
		return strings.ToLower(sf.Name)
	default:
		return name
	}
}

// isSection reports whether t is a struct with keys of its own, and not a setting that happens to be a struct, such as a Secret.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// setNode decodes a YAML value strictly.
func (f field) setNode(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && f.val.Kind() != reflect.Slice {
		return f.setText(n.Value)
	}
	if f.listsSections() {
		return f.setSections(n)
	}
	if f.val.Kind() == reflect.Slice && n.Kind == yaml.ScalarNode {
		return f.setList(split(n.Value))
	}
	if f.val.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode {
		items := make([]string, 0, len(n.Content))
		for _, c := range n.Content {
			c = resolve(c)
			if c.Kind != yaml.ScalarNode {
				return errors.New("must be a list of plain values")
			}
			items = append(items, c.Value)
		}
		return f.setList(items)
	}
	if f.val.Kind() == reflect.Map && n.Kind == yaml.MappingNode {
		return n.Decode(f.val.Addr().Interface())
	}
	return fmt.Errorf("must be %s", describe(f.val.Type()))
}

// setText sets the field from one text: a scalar of the file, a variable, or a secret's file.
func (f field) setText(text string) error {
	if f.listsSections() {
		return f.setSectionsText(text)
	}
	if f.val.Kind() == reflect.Slice {
		return f.setList(split(text))
	}
	return setScalar(f.val, text)
}

func (f field) setList(items []string) error {
	out := reflect.MakeSlice(f.val.Type(), len(items), len(items))
	for i, item := range items {
		if err := setScalar(out.Index(i), item); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	f.val.Set(out)
	return nil
}

// setFile sets a secret from the first line end to the last of a file's content.
func (f field) setFile(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("the secret's file: %w", err)
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" {
		return fmt.Errorf("the secret's file %s is empty", path)
	}
	return f.setText(text)
}

// secret reports whether the field may come from a file of its own.
func (f field) secret() bool {
	t := f.val.Type()
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Implements(reflect.TypeFor[interface{ isSecret() }]())
}

// setScalar sets v from text. Errors say what was expected, and never contain the value of a secret.
func setScalar(v reflect.Value, text string) error {
	switch u := v.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return u.UnmarshalText([]byte(text))
	case *time.Duration:
		return (*Duration)(u).UnmarshalText([]byte(text))
	}
	if v.Kind() == reflect.String {
		v.SetString(text)
		return nil
	}
	n := yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if text == "" || n.Decode(v.Addr().Interface()) != nil {
		return fmt.Errorf("%q is not %s", text, describe(v.Type()))
	}
	return nil
}

func describe(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number that is not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "keys and values"
	default:
		return "one plain value"
	}
}

// split takes a list apart at commas and line ends; blanks around entries and empty entries are ignored.
func split(text string) []string {
	items := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' })
	out := items[:0]
	for _, item := range items {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}
