package config

import (
	"slices"
	"strings"
)

const envPrefix = "CHAT_"

// ours are variables that belong to the project's tools and tests, never to a process's configuration.
func ours(name string) bool {
	return strings.HasPrefix(name, "CHAT_TEST_") || name == "CHAT_PKG_CACHE" || name == "CHAT_PORT"
}

// EnvName returns the variable that overrides a key: "database.dbname" → "CHAT_DATABASE_DBNAME".
func EnvName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// readEnv applies the variables in the fields' order, then reports those that look like ours and are not.
func (l *loader) readEnv() {
	env := map[string]string{}
	for _, kv := range l.environ {
		if name, val, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, envPrefix) && !ours(name) {
			env[name] = val
		}
	}
	owner := map[string]string{}
	for _, f := range l.fields {
		name := EnvName(f.key)
		if other, taken := owner[name]; taken {
			l.fail(f.key, "has the same variable %s as %s: rename one of the keys", name, other)
			continue
		}
		owner[name] = f.key
		l.applyEnv(f, name, env)
	}
	l.unknownEnv(env)
}

// applyEnv sets one field and takes its variables out of env.
func (l *loader) applyEnv(f field, name string, env map[string]string) {
	val, isSet := env[name]
	delete(env, name)
	var err error
	if isSet {
		err = f.setText(val)
	}
	if f.secret() {
		file, isFile := env[name+"_FILE"]
		delete(env, name+"_FILE")
		switch {
		case isFile && isSet:
			l.fail(name, "is set together with %s_FILE: unset one", name)
		case isFile:
			name, err = name+"_FILE", f.setFile(file)
		}
	}
	if err != nil {
		l.fail(name, "%w (key %s)", err, f.key)
	}
}

// unknownEnv reports what is left in env and begins like one of this process's sections. Variables of other
// sections may be meant for another process, which shares the environment.
func (l *loader) unknownEnv(env map[string]string) {
	var names []string
	for _, f := range l.fields {
		names = append(names, EnvName(f.key))
	}
	var unknown []string
	for name := range env {
		if l.inSection(name) && !l.isForeign(name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		l.fail(name, "is a variable for no key%s", hint(name, names))
	}
}

func (l *loader) inSection(name string) bool {
	for _, f := range l.fields {
		if top, _, nested := strings.Cut(f.key, "."); nested && strings.HasPrefix(name, EnvName(top)+"_") {
			return true
		}
	}
	return false
}

func (l *loader) isForeign(name string) bool {
	for _, key := range l.foreign {
		whole := EnvName(key)
		if name == whole || name == whole+"_FILE" || strings.HasSuffix(key, ".") && strings.HasPrefix(name, whole) {
			return true
		}
	}
	return false
}
