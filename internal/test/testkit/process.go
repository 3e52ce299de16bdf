package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is one child process, which can be started again after it has ended.
type process struct {
	name string
	bin  string
	args []string
	// within stands in front of the command; nil: nothing does.
	within []string
	dir    string
	env    []string
	log    string // file; restarts append

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the current child has ended
}

func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close() // the child has a copy
	line := slices.Concat(p.within, []string{p.bin}, p.args)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.dir, p.env, out, out
	cmd.SysProcAttr = childAttr()
	done, started := make(chan struct{}), make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel ends a child with the thread that started it: this one lasts as long as the child
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
		close(done)
	}()
	if err := <-started; err != nil {
		return err
	}
	p.cmd, p.done = cmd, done
	return nil
}

func (p *process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Signal(s)
}

func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// ended waits for the child at most that long and reports whether it has ended.
func (p *process) ended(within time.Duration) bool {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	select {
	case <-done:
		return true
	default:
	}
	select {
	case <-done:
		return true
	case <-time.After(within):
		return false
	}
}

// tail is the end of the log.
func (p *process) tail(lines int) string {
	b, err := os.ReadFile(filepath.Clean(p.log))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// end stops the child even if it is paused or hangs.
func (p *process) end(t testing.TB, patience time.Duration) {
	t.Helper()
	if p.ended(0) {
		return
	}
	_ = p.signal(syscall.SIGCONT)
	_ = p.signal(syscall.SIGTERM)
	if !p.ended(patience) {
		_ = p.signal(syscall.SIGKILL)
		p.ended(time.Minute)
	}
}
