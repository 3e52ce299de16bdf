package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

const envPrefix = "CHAT_"

// aside reports variables that are no process's configuration: those of the project's tools and tests, and those that Kubernetes sets
// for a service whose name begins with "chat".
func aside(name, val string) bool {
	return strings.HasPrefix(name, "CHAT_TEST_") || strings.HasPrefix(name, "CHAT_FAULTS_") || name == "CHAT_STACK_DIR" ||
		name == "CHAT_PKG_CACHE" || name == "CHAT_PORT" || serviceLink.MatchString(name) ||
		strings.HasSuffix(name, "_PORT") && (strings.HasPrefix(val, "tcp://") || strings.HasPrefix(val, "udp://"))
}

var serviceLink = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?$`)

// EnvName returns the variable that overrides a key: "database.dbname" → "CHAT_DATABASE_DBNAME".
func EnvName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// readEnv applies the variables in the fields' order, then reports those that look like ours and are not.
func (l *loader) readEnv() {
	env := map[string]string{}
	for _, kv := range l.environ {
		if name, val, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, envPrefix) && !aside(name, val) {
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

// unknownEnv reports what is left in env and is no other process's either, which shares the environment.
func (l *loader) unknownEnv(env map[string]string) {
	var names []string
	for _, key := range slices.Concat(l.keys(), l.foreign) {
		names = append(names, EnvName(key))
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !l.isForeign(name) {
			l.fail(name, "is a variable for no key%s", hint(name, names))
		}
	}
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
