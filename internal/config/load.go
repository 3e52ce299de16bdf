package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// Option changes how Load works.
type Option func(*loader)

// Environ replaces the process's environment; each entry is "NAME=value".
func Environ(env []string) Option {
	return func(l *loader) { l.environ = env }
}

// Foreign names keys that another process reads, such as "limits.login_per_minute" in the gateway: one environment serves all processes,
// and its variable is no mistake here. A name that ends in a dot means everything below it. Every other CHAT_ variable is an error.
func Foreign(keys ...string) Option {
	return func(l *loader) { l.foreign = append(l.foreign, keys...) }
}

// Shared is Foreign for all keys of the processes' files, which are in fsys.
func Shared(fsys fs.FS) Option {
	return func(l *loader) {
		files, err := fs.Glob(fsys, "*.yaml")
		for _, name := range files {
			data, e := fs.ReadFile(fsys, name)
			root, e2 := parse(name, data)
			if err = errors.Join(err, e, e2); root != nil {
				l.foreign = appendNodeKeys(l.foreign, root, "")
			}
		}
		if err != nil {
			l.errs = append(l.errs, fmt.Errorf("the processes' own files: %w", err))
		}
	}
}

// Load fills into, a pointer to a struct with its defaults set, from the YAML file at path and then from the
// environment. An empty path means no file.
//
// Fields are named by their yaml tags. The key "database.dbname" is the variable CHAT_DATABASE_DBNAME; a list is
// written comma separated. A Secret may also come from a file: "secret_file" beside "secret", or
// CHAT_JWT_SECRET_FILE. A key without a value keeps its default.
//
// Then every nested Validate() error is called, and in release mode every ValidateRelease() error; they begin their
// errors with the field's own key ("port: must be …") and may join several. The result joins all errors found; each
// begins with its whole key or its variable's name.
func Load(path string, into any, opts ...Option) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("config: Load wants a pointer to a struct, not %T", into)
	}
	l := &loader{environ: os.Environ()}
	for _, o := range opts {
		o(l)
	}
	l.fields = fieldsOf(v.Elem())
	l.readFile(path)
	l.readEnv()
	l.validate(v)
	return errors.Join(l.errs...)
}

// loader collects what Load finds; errors never stop it, so that all come at once.
type loader struct {
	environ []string
	foreign []string
	fields  []field
	errs    []error
}

// fail notes an error. where is a key, with its place if known.
func (l *loader) fail(where, format string, args ...any) {
	l.errs = append(l.errs, fmt.Errorf("%s: %w", where, fmt.Errorf(format, args...)))
}

func (l *loader) readFile(path string) {
	if path == "" {
		return
	}
	root, err := parseFile(path)
	switch {
	case err != nil:
		l.errs = append(l.errs, err)
	case root != nil:
		l.walk(path, "", root)
	}
}

// parseFile returns the file's top mapping, nil for an empty file.
func parseFile(path string) (*yaml.Node, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w (name another one with -config)", err)
	}
	return parse(path, data)
}

// parse is parseFile for what was read.
func parse(path string, data []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: holds more than one document: remove what follows the second ---", path)
	}
	root := resolve(doc.Content[0])
	if isNull(root) {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: must hold keys and values, such as server: {port: 8080}", path, root.Line)
	}
	return root, nil
}

// walk sets every field that a mapping names, and reports keys that no field has.
func (l *loader) walk(path, prefix string, m *yaml.Node) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, val := prefix+m.Content[i].Value, resolve(m.Content[i+1])
		where := fmt.Sprintf("%s:%d: %s", path, m.Content[i].Line, key)
		if seen[key] {
			l.fail(where, "is there twice: keep one")
			continue
		}
		seen[key] = true
		l.node(path, where, key, val)
	}
	for key := range seen {
		if base, ok := fileKey(key); ok && seen[base] && l.find(base) != nil && l.find(key) == nil {
			l.fail(path+": "+base, "is given together with %s: keep one", key)
		}
	}
}

// node handles one key: a section, a setting, or the file of a secret.
func (l *loader) node(path, where, key string, val *yaml.Node) {
	if f := l.find(key); f != nil {
		if isNull(val) {
			return
		}
		if err := f.setNode(val); err != nil {
			l.fail(where, "%w", err)
		}
		return
	}
	if l.isSection(key) {
		switch {
		case isNull(val):
		case val.Kind != yaml.MappingNode:
			l.fail(where, "is a section: write its keys below it")
		default:
			l.walk(path, key+".", val)
		}
		return
	}
	if base, ok := fileKey(key); ok {
		if f := l.find(base); f != nil && f.secret() {
			if err := f.setFile(val.Value); err != nil {
				l.fail(where, "%w", err)
			}
			return
		}
	}
	l.fail(where, "is unknown%s", hint(key, l.keys()))
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
