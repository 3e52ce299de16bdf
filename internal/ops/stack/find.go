package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// envFile holds the variables with the addresses of a run's servers. It contains the token secret, so only its owner may read it.
const envFile = "env.json"

// Found describes a run in progress.
type Found struct {
	// Env holds the CHAT_ variables that the run sets for its processes; servers given in the environment are not in it.
	Env map[string]string
	// Ready maps the product's processes to their readiness URLs.
	Ready map[string]string
	// Pids maps every process to its id.
	Pids map[string]int
}

// Find reads the run directory at path without changing it. ok is false when nothing runs there.
func Find(path string) (f Found, ok bool, err error) {
	f = Found{Env: map[string]string{}, Ready: map[string]string{}, Pids: map[string]int{}}
	files, err := filepath.Glob(filepath.Join(path, "pid", "*.json"))
	if err != nil {
		return Found{}, false, fmt.Errorf("find run: %w", err)
	}
	for _, file := range files {
		var id ident
		b, err := os.ReadFile(file)
		if err == nil && json.Unmarshal(b, &id) == nil && id.Pid > 1 && id.alive() {
			f.Pids[strings.TrimSuffix(filepath.Base(file), ".json")] = id.Pid
		}
	}
	if len(f.Pids) == 0 {
		return Found{}, false, nil
	}
	if err := readJSON(filepath.Join(path, envFile), &f.Env); err != nil {
		return Found{}, false, err
	}
	ports := map[string]int{}
	if err := readJSON(filepath.Join(path, "ports.json"), &ports); err != nil {
		return Found{}, false, err
	}
	for _, name := range slices.Sorted(maps.Keys(f.Pids)) {
		if port := ports[name+".debug"]; port != 0 {
			f.Ready[name] = "http://" + net.JoinHostPort(loopback, strconv.Itoa(port)) + "/readyz"
		}
	}
	return f, true, nil
}

// Environ returns base with the run's variables set, as for the run's own processes.
func (f Found) Environ(base []string) []string { return mergeEnv(base, f.Env) }

// Server returns a server of the run with its account, whether the run started it or found it in its environment, which
// is taken to be this process's, too.
func (f Found) Server(k Kind) (Server, bool, error) {
	return given(k, func(name string) string {
		if v, ok := f.Env[name]; ok {
			return v
		}
		return os.Getenv(name)
	})
}

// keepEnv writes what Find reads.
func (d *Dir) keepEnv(env map[string]string) error {
	b, err := json.MarshalIndent(env, "", "  ")
	if err == nil {
		err = writeFile(filepath.Join(d.path, envFile), append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the run's variables: %w", err)
	}
	return nil
}

// readJSON leaves into unchanged when there is no file.
func readJSON(path string, into any) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		return fmt.Errorf("find run: %s: %w", path, err)
	}
	return nil
}
