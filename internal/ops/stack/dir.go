package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"chat-service/internal/ops/stack/ports"
)

// ErrLocked is returned while another run holds the run directory.
var ErrLocked = errors.New("run directory is in use")

// errClosing: the run is ending and nothing may be started.
var errClosing = errors.New("the run is ending")

// Dir is a locked run directory: the ports, PID files, logs and data of one stack.
type Dir struct {
	path  string
	lock  *os.File
	ports *ports.File
	spawn *spawner

	mu      sync.Mutex
	procs   map[string]*Proc
	closing bool // no process may be started any more
}

// OpenDir creates the directory if it is missing, locks it, and ends the processes that an earlier, killed run left behind,
// which it reports to out. It returns ErrLocked, with the holder's PID in the text, while another run holds it.
func OpenDir(path string, out *Progress) (*Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("resolve run directory: %w", err)
	}
	if strings.ContainsAny(abs, " \t\n'\"") {
		return nil, fmt.Errorf("run directory %q: RabbitMQ's scripts do not work under a path with blanks or quotes; choose another with --dir", abs)
	}
	for _, sub := range []string{"pid", "log", "data"} {
		if err := os.MkdirAll(filepath.Join(abs, sub), 0o755); err != nil {
			return nil, fmt.Errorf("create run directory: %w", err)
		}
	}
	if err := os.Chmod(abs, 0o700); err != nil { // data and logs are nobody else's
		return nil, fmt.Errorf("close run directory to others: %w", err)
	}
	lock, err := lockFile(filepath.Join(abs, "lock"), false)
	if err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is held by process %s; stop it, or give this run its own folder with --dir", ErrLocked, abs, readTrimmed(filepath.Join(abs, "lock")))
		}
		return nil, fmt.Errorf("lock run directory: %w", err)
	}
	d := &Dir{path: abs, lock: lock, procs: map[string]*Proc{}}
	if err := d.takeOver(out); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return d, nil
}

func (d *Dir) takeOver(out *Progress) error {
	if err := d.lock.Truncate(0); err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	if _, err := fmt.Fprintf(d.lock, "%d\n", os.Getpid()); err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	if err := endLeftovers(d.path, out); err != nil {
		return err
	}
	p, err := ports.Load(filepath.Join(d.path, "ports.json"), writeJSON)
	if err != nil {
		return err
	}
	d.ports = p
	d.spawn = newSpawner()
	return nil
}

// Path is the absolute path of the run directory.
func (d *Dir) Path() string { return d.path }

// LogPath is the file that the named process writes to.
func (d *Dir) LogPath(name string) string { return filepath.Join(d.path, "log", name+".log") }

// DataPath is the data directory of the named server.
func (d *Dir) DataPath(name string) string { return filepath.Join(d.path, "data", name) }

// ClearData deletes the data of the servers of earlier runs; call it before Up.
func (d *Dir) ClearData() error {
	if err := os.RemoveAll(filepath.Join(d.path, "data")); err != nil {
		return fmt.Errorf("clear data: %w", err)
	}
	return os.Mkdir(filepath.Join(d.path, "data"), 0o755)
}

// Port is the loopback port recorded for name: the same in every run, unless another program has taken it meanwhile.
func (d *Dir) Port(name string) (int, error) { return d.ports.Take(name) }

// Close ends whatever still runs and unlocks the directory.
func (d *Dir) Close() error {
	d.KillAll()
	err := endLeftovers(d.path, nil)
	d.spawn.close()
	rm := os.Remove(d.lock.Name())
	return errors.Join(err, rm, d.lock.Close())
}

// KillAll kills every process of this run at once and lets none start again.
func (d *Dir) KillAll() {
	d.mu.Lock()
	d.closing = true
	all := make([]*Proc, 0, len(d.procs))
	for _, p := range d.procs {
		all = append(all, p)
	}
	d.mu.Unlock()
	for _, p := range all {
		p.Kill()
	}
}

func (d *Dir) add(p *Proc) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing {
		return errClosing
	}
	d.procs[p.name] = p
	return errors.Join(writePid(d.pidFile(p.name), p.ident), d.writePids())
}

func (d *Dir) drop(p *Proc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.procs[p.name] != p {
		return
	}
	delete(d.procs, p.name)
	_ = os.Remove(d.pidFile(p.name))
	_ = d.writePids()
}

func (d *Dir) pidFile(name string) string { return filepath.Join(d.path, "pid", name+".json") }

// writePids writes pids.json, name → PID, for operators and load tools. The caller holds mu.
func (d *Dir) writePids() error {
	pids := make(map[string]int, len(d.procs))
	for name, p := range d.procs {
		pids[name] = p.ident.Pid
	}
	return writeJSON(filepath.Join(d.path, "pids.json"), pids)
}

// lockFile opens path and locks it for this process; with wait it blocks until the holder has unlocked it. A holder removes
// the file when it ends, so a lock on a removed file counts for nothing and is taken again on the new file.
func lockFile(path string, wait bool) (*os.File, error) {
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), how); err != nil {
			_ = f.Close()
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			return nil, err
		}
		held, err1 := f.Stat()
		there, err2 := os.Stat(path)
		if err1 == nil && err2 == nil && os.SameFile(held, there) {
			return f, nil
		}
		_ = f.Close()
	}
}

// writeJSON replaces path in one step, so that a reader never sees half a file.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(b, '\n'), 0o644)
}

func writeFile(path string, b []byte, mode fs.FileMode) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, b, mode); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func readTrimmed(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}
