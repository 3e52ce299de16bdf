package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const loopback = "127.0.0.1"

// Spec says how a process is started and stopped.
type Spec struct {
	Name string
	Path string
	Args []string
	Env  []string // complete environment, KEY=value
	Cwd  string
	Stop time.Duration // how long SIGTERM may take before SIGKILL
}

// Proc is a running child with its log.
type Proc struct {
	name  string
	log   string
	ident ident
	stop  time.Duration
	done  chan struct{}
	err   error // valid after done
}

// Start runs the process as a child of this one: in its own process group (so that a Ctrl-C in the terminal reaches only
// this process, which then stops the others in order), with its output in its log, and with SIGTERM if this process dies.
func (d *Dir) Start(s Spec) (*Proc, error) {
	log, err := os.OpenFile(d.LogPath(s.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	defer log.Close()
	cmd := exec.Command(s.Path, s.Args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Cwd, log, log
	cmd.Env = append(s.Env, markerEnv+"="+d.path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := d.spawn.start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	p := &Proc{name: s.Name, log: log.Name(), stop: s.Stop, done: make(chan struct{})}
	p.ident, err = identOf(cmd.Process.Pid)
	if err != nil {
		p.ident = ident{Pid: cmd.Process.Pid}
	}
	regErr := d.add(p)
	go func() {
		p.err = cmd.Wait()
		d.drop(p)
		close(p.done)
	}()
	if regErr != nil {
		p.Kill()
		return nil, fmt.Errorf("start %s: %w", s.Name, regErr)
	}
	return p, nil
}

// Done is closed when the process has ended.
func (p *Proc) Done() <-chan struct{} { return p.done }

// Name is the process' name in pids.json and in its log file.
func (p *Proc) Name() string { return p.name }

// Stop asks the process to end, waits as long as its Spec allows (or until ctx ends), then kills its group. It
// reports whether the process ended by itself.
func (p *Proc) Stop(ctx context.Context) bool {
	_ = syscall.Kill(p.ident.Pid, syscall.SIGTERM)
	t := time.NewTimer(p.stop)
	defer t.Stop()
	select {
	case <-p.done:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	p.Kill()
	return false
}

// Kill ends the process and its group at once and waits for the end.
func (p *Proc) Kill() {
	select {
	case <-p.done:
		return
	default:
	}
	if err := syscall.Kill(-p.ident.Pid, syscall.SIGKILL); errors.Is(err, syscall.ESRCH) {
		_ = syscall.Kill(p.ident.Pid, syscall.SIGKILL)
	}
	<-p.done
}

// spawner starts children from one locked thread: the kernel ties a child's death signal to the thread that forked
// it, and Go may end any other thread at any time.
type spawner struct {
	jobs chan spawnJob
	gone chan struct{}
}

type spawnJob struct {
	cmd *exec.Cmd
	err chan error
}

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan spawnJob), gone: make(chan struct{})}
	go func() {
		runtime.LockOSThread()
		defer close(s.gone)
		for j := range s.jobs {
			j.err <- j.cmd.Start()
		}
	}()
	return s
}

func (s *spawner) start(cmd *exec.Cmd) error {
	j := spawnJob{cmd: cmd, err: make(chan error, 1)}
	s.jobs <- j
	return <-j.err
}

func (s *spawner) close() {
	close(s.jobs)
	<-s.gone
}
