// Package privatestack brings up a private system to be measured: `chatctl up` in a process of its own, with rate limits off
// and cheap password hashes.
package privatestack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chat-service/internal/ops/bench"
	"chat-service/internal/ops/stack"
)

const (
	upWithin   = 5 * time.Minute // a first run downloads packages
	downWithin = 2 * time.Minute
)

// offForBench are the variables that switch off what would slow down a benchmark: rate limits, and the cost of password
// hashes, one of which is computed for each of ten thousand accounts.
var offForBench = []string{
	"CHAT_LIMITS_MESSAGES_PER_SECOND=0", "CHAT_LIMITS_MESSAGE_BURST=0", "CHAT_LIMITS_LOGIN_PER_MINUTE=0",
	"CHAT_LIMITS_REGISTER_PER_MINUTE=0", "CHAT_LIMITS_REQUESTS_PER_SECOND=0", "CHAT_GATEWAY_SOCKETS_PER_SECOND=0",
	"CHAT_LIMITS_USER_MESSAGES_PER_SECOND=0", "CHAT_LIMITS_USER_FRAMES_PER_SECOND=0", "CHAT_LIMITS_SOCKETS_PER_USER=0", "CHAT_LIMITS_CONNECTS_PER_MINUTE=0",
	"CHAT_LIMITS_SESSIONS_PER_USER=0", "CHAT_LIMITS_ROOMS_PER_HOUR=0", "CHAT_LIMITS_INVITATIONS_PER_HOUR=0",
	"CHAT_LIMITS_SEARCHES_PER_MINUTE=0", "CHAT_LIMITS_UNAUTHENTICATED_SOCKETS=0", "CHAT_LIMITS_UNAUTHENTICATED_PER_ADDRESS=0",
	"CHAT_LIMITS_HANDSHAKE_FAILURES_PER_MINUTE=0",
	"CHAT_AUTH_ARGON2_MEMORY_KIB=64", "CHAT_AUTH_ARGON2_TIME=1",
}

// Options say where the private system's files are and how large it is.
type Options struct {
	Dir, Bin, Configs, PkgCache string
	Gateways, Workers           int
	Fresh                       bool // delete data and accounts of earlier runs
	Out                         *stack.Progress
}

// System is a private system: `chatctl up` in a process of its own, so that neither its front door nor its supervision
// is counted as the tool's work.
type System struct {
	o    Options
	cmd  *exec.Cmd
	done chan error // one value: how it ended
}

// New makes a system that isn't up yet.
func New(o Options) *System { return &System{o: o} }

// Open brings the system up and returns its addresses.
func (b *System) Open(ctx context.Context) (bench.System, error) {
	if b.o.Fresh {
		if err := b.forget(); err != nil {
			return bench.System{}, err
		}
	}
	if err := b.up(ctx); err != nil {
		return bench.System{}, err
	}
	sys, err := b.addresses()
	if err != nil {
		return sys, errors.Join(err, b.Close())
	}
	sys.Restart = func(ctx context.Context) error {
		if err := b.Close(); err != nil {
			return err
		}
		return b.up(ctx)
	}
	return sys, nil
}

func (b *System) forget() error {
	d, err := stack.OpenDir(b.o.Dir, b.o.Out)
	if err != nil {
		return err
	}
	err = os.Remove(filepath.Join(b.o.Dir, "accounts.json"))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, d.ClearData(), d.Close())
}

// up starts the processes and waits until they are ready.
func (b *System) up(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	args := []string{
		"up", "--dir", b.o.Dir, "--port", strconv.Itoa(port), "--bin", b.o.Bin, "--configs", b.o.Configs,
		"--gateways", strconv.Itoa(b.o.Gateways), "--workers", strconv.Itoa(b.o.Workers),
	}
	if b.o.PkgCache != "" {
		args = append(args, "--pkg-cache", b.o.PkgCache)
	}
	// The system outlives ctx: Close stops it in order.
	b.cmd = exec.CommandContext(context.WithoutCancel(ctx), self, args...) //nolint:gosec // This program, with its own flags.
	b.cmd.Env = append(os.Environ(), offForBench...)
	// In a group of its own: Ctrl-C must reach only this process, which then stops the system once.
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	text, w := io.Pipe()
	b.cmd.Stdout, b.cmd.Stderr = w, w
	started := make(chan error, 1)
	b.done = make(chan error, 1)
	done := b.done
	go func() {
		// Pdeathsig follows the thread that starts the child: it stays for the child's life.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := b.cmd.Start()
		started <- err
		if err == nil {
			err = b.cmd.Wait()
		}
		_ = w.Close()
		done <- err
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start the private system: %w", err)
	}
	return b.awaitReady(ctx, text)
}

// awaitReady reads the system's output until it is ready, and copies all of it to its log.
func (b *System) awaitReady(ctx context.Context, text io.Reader) error {
	if err := os.MkdirAll(b.o.Dir, 0o750); err != nil {
		return errors.Join(err, b.Close())
	}
	log, err := os.Create(filepath.Join(b.o.Dir, "up.log"))
	if err != nil {
		return errors.Join(fmt.Errorf("keep the log: %w", err), b.Close())
	}
	ready := make(chan struct{})
	go func() {
		defer log.Close()
		reported := false
		for lines := bufio.NewScanner(text); lines.Scan(); {
			_, _ = fmt.Fprintln(log, lines.Text())
			if !reported && strings.Contains(lines.Text(), stack.ReadyText) {
				reported = true
				close(ready)
			}
		}
		_, _ = io.Copy(log, text)
	}()
	b.o.Out.Say("bench", "bringing up a private system in %s", b.o.Dir)
	select {
	case <-ready:
		return nil
	case err := <-b.done:
		b.cmd = nil
		return fmt.Errorf("the private system did not start (%w); see %s", err, log.Name())
	case <-ctx.Done():
		return errors.Join(ctx.Err(), b.Close())
	case <-time.After(upWithin):
		return errors.Join(fmt.Errorf("the private system was not ready within %s; see %s", upWithin, log.Name()), b.Close())
	}
}

// Close stops the system in order and waits for its end.
func (b *System) Close() error {
	if b.cmd == nil {
		return nil
	}
	cmd := b.cmd
	b.cmd = nil
	b.o.Out.Say("bench", "stopping the private system")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the private system: %w", err)
	}
	select {
	case err := <-b.done:
		if err != nil {
			return fmt.Errorf("the private system failed while stopping: %w; see %s", err, filepath.Join(b.o.Dir, "up.log"))
		}
		return nil
	case <-time.After(downWithin):
		_ = cmd.Process.Signal(syscall.SIGTERM) // the second one kills
		return errors.Join(fmt.Errorf("the private system did not stop within %s and was killed", downWithin), <-b.done)
	}
}

// addresses reads the system's addresses; gateways and api are used directly, without the front door.
func (b *System) addresses() (bench.System, error) {
	text, err := os.ReadFile(filepath.Join(b.o.Dir, "ports.json"))
	if err != nil {
		return bench.System{}, fmt.Errorf("read the private system's ports: %w", err)
	}
	ports := map[string]int{}
	if err := json.Unmarshal(text, &ports); err != nil {
		return bench.System{}, fmt.Errorf("read the private system's ports: %w", err)
	}
	sys := bench.System{
		API:  fmt.Sprintf("http://127.0.0.1:%d/api/v1", ports["api"]),
		Pids: func() (map[string]int, error) { return bench.ReadPids(filepath.Join(b.o.Dir, "pids.json")) },
	}
	for i := range b.o.Gateways {
		sys.Gateways = append(sys.Gateways, fmt.Sprintf("ws://127.0.0.1:%d/api/v1/ws", ports[fmt.Sprintf("gw%d", i+1)]))
	}
	missing := slices.Sorted(maps.Keys(ports))
	if ports["api"] == 0 || ports["gw1"] == 0 {
		return sys, fmt.Errorf("the private system's ports lack api or gateways: %v", missing)
	}
	return sys, b.servers(&sys)
}

// servers fills in the addresses of MySQL and RabbitMQ with their accounts, as the run's own processes use them.
func (b *System) servers(sys *bench.System) error {
	run, running, err := stack.Find(b.o.Dir)
	if err != nil {
		return err
	}
	db, hasDB, err := run.Server(stack.MySQL)
	if err != nil {
		return err
	}
	broker, hasBroker, err := run.Server(stack.RabbitMQ)
	if err != nil {
		return err
	}
	if !running || !hasDB || !hasBroker {
		return fmt.Errorf("the private system in %s does not report its MySQL and RabbitMQ; see up.log there", b.o.Dir)
	}
	sys.MySQL = db.DSN() + db.Database
	sys.AMQP = broker.AMQPURL()
	return nil
}

func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.Join(errors.New("find a free port: no TCP address"), l.Close())
	}
	return addr.Port, l.Close()
}
