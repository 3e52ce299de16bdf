//go:build chaos

package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"chat-service/internal/test/testkit"
)

// What a process is wrongly given, or what others do to it without ending it: a worker with a wrong password, a gateway without
// files, clients that don't read. Each has a rule of its own, because service is whole meanwhile, or soon after.

const (
	blindName = "blind-" // begins the names of workers that never work

	strainWithin = 15 * time.Second // for what the rules F2 and F7 ask for
)

// blindWorker starts a worker that RabbitMQ refuses. F1: while it lives it is not on the list of workers, and not ready.
var blindWorker = fault{"worker with a wrong password", "", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
	before, err := w.listed(ctx)
	if err != nil {
		return time.Time{}, "", err
	}
	at, err := url.Parse(testkit.AMQPURL(w.t))
	if err != nil {
		return time.Time{}, "", err
	}
	at.User = url.UserPassword(at.User.Username(), "not the password")
	name, since := blindName+strconv.FormatInt(w.blind.Add(1), 10), time.Now()
	w.Launch(w.t, "worker", name, map[string]string{"CHAT_RABBITMQ_URL": at.String()})
	for end := since.Add(between(r, 5*time.Second, 8*time.Second)); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, 200*time.Millisecond) {
		if ok, _ := w.Ready(ctx, name); ok {
			w.found.add("F1", "%s, which RabbitMQ refuses, says that it is ready", name)
			break
		}
		now, err := w.listed(ctx)
		if i := slices.IndexFunc(now, func(boot string) bool { return !slices.Contains(before, boot) }); err == nil && i >= 0 {
			w.found.add("F1", "%s, which RabbitMQ refuses, is on the list of workers and owns partitions", now[i])
			break
		}
	}
	if w.Ended(w.t, name, 0) {
		return time.Time{}, name, fmt.Errorf("%s has ended by itself:\n%s", name, w.Log(name, 20))
	}
	w.Kill(w.t, name)
	return since, name, nil
}}

// listed are the boots of the workers that count as live.
func (w *world) listed(ctx context.Context) (boots []string, err error) {
	rows, err := w.DB.DB.QueryContext(ctx, "SELECT boot FROM workers WHERE beat_at > UTC_TIMESTAMP(6) - INTERVAL 5 SECOND")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var boot string
		if err := rows.Scan(&boot); err != nil {
			return nil, err
		}
		boots = append(boots, boot)
	}
	return boots, rows.Err()
}

// fullGateway takes a gateway's files away: more connections come than it has files left for, stay for a moment, and go. F2: then it
// accepts again, although its limit is as low as before.
var fullGateway = fault{"gateway at its file limit", "", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
	name := one(r, "gateway", 2)
	restore, err := w.limitFiles(name, 8)
	if err != nil {
		return time.Time{}, name, err
	}
	addr := strings.TrimPrefix(w.Public(name), "http://")
	var crowd []net.Conn
	for range 60 {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			break
		}
		crowd = append(crowd, c)
	}
	pause(ctx, between(r, time.Second, 3*time.Second))
	for _, c := range crowd {
		_ = c.Close()
	}
	since := time.Now()
	if why := w.answered(ctx, name, strainWithin); why != "" {
		w.found.add("F2", "%v after all had left, %s with its low file limit doesn't accept: %s", strainWithin, name, why)
	}
	return since, fmt.Sprintf("%s, %d connections", name, len(crowd)), restore()
}}

// limitFiles leaves a process so many files more than it has open, until restore is called.
func (w *world) limitFiles(name string, more int) (restore func() error, err error) {
	pid := w.Pid(w.t, name)
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return nil, err
	}
	var was unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &was); err != nil {
		return nil, fmt.Errorf("read the file limit of %s: %w", name, err)
	}
	low := unix.Rlimit{Cur: uint64(len(open) + more), Max: was.Max}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &low, nil); err != nil {
		return nil, fmt.Errorf("lower the file limit of %s: %w", name, err)
	}
	return func() error {
		err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &was, nil)
		if errors.Is(err, syscall.ESRCH) {
			return nil // it has ended, which another rule judges
		}
		return err
	}, nil
}

// answered waits until a process answers on a connection of its own; else it tells why not.
func (w *world) answered(ctx context.Context, name string, within time.Duration) (why string) {
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	for end := time.Now().Add(within); time.Now().Before(end); pause(ctx, 100*time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Public(name)+"/readyz", nil)
		if err != nil {
			return err.Error()
		}
		res, err := c.Do(req)
		if err != nil {
			why = err.Error()
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return ""
		}
		why = res.Status
	}
	return why
}

// shelf is a room of those who never read, and of one who writes to them.
type shelf struct {
	room   uint64
	writer *person
	users  []testkit.User
}

func (w *world) newShelf() *shelf {
	us := w.users(4)
	s := &shelf{room: w.api.CreateRoom(w.t, us[0], us[1:]...), users: us[1:]}
	s.writer = w.enter("shelf", us[0], nil)
	return s
}

// deafReaders flood sockets that read nothing. F7: they are closed, and the kernel holds nothing more for them.
var deafReaders = fault{"readers that stop", "", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
	name := one(r, "gateway", 2)
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for _, u := range w.shelf.users {
		c, err := w.deafConn(ctx, name, u)
		if err != nil {
			return time.Time{}, name, err
		}
		conns = append(conns, c)
	}
	flood, since := strings.Repeat("x", 16_000), time.Now()
	var worst int64
	var delivered time.Time // the whole flood, at least to the writer
	for n := 0; len(conns) > 0; pause(ctx, 20*time.Millisecond) {
		if n < 150 { // more than any bound on what one socket may hold
			w.shelf.writer.c.Send(w.shelf.room, flood)
			n++
		} else if ok, _ := w.shelf.writer.c.AtRest(); ok && delivered.IsZero() {
			delivered = time.Now()
		}
		open, err := kernelQueues(w.Public(name))
		if err != nil {
			return time.Time{}, name, err
		}
		left := slices.ContainsFunc(conns, func(c net.Conn) bool {
			queued, there := open[port(c.LocalAddr().String())]
			worst = max(worst, queued)
			return there
		})
		if !left {
			break
		}
		if !delivered.IsZero() && time.Since(delivered) > strainWithin || time.Since(since) > served {
			w.found.add("F7", "%v after a flood, %s still holds connections of clients that don't read: %d bytes in the kernel", strainWithin, name, worst)
			break
		}
	}
	return since, fmt.Sprintf("%s, up to %d KiB in the kernel", name, worst>>10), nil
}}

// deafConn opens a socket that reads nothing, with as little room in the kernel as it gives.
func (w *world) deafConn(ctx context.Context, gateway string, u testkit.User) (conn net.Conn, err error) {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) }); e != nil {
			return e
		}
		return err
	}}
	at := "ws" + strings.TrimPrefix(w.Public(gateway), "http") + "/api/v1/ws?" + url.Values{"token": {u.Token}}.Encode()
	for end := time.Now().Add(strainWithin); ; pause(ctx, 200*time.Millisecond) {
		conn, _, _, err = ws.Dialer{NetDial: d.DialContext, Timeout: 5 * time.Second}.Dial(ctx, at)
		if err == nil || time.Now().After(end) || ctx.Err() != nil {
			return conn, err
		}
	}
}

// kernelQueues are the bytes that the kernel holds unsent on a listener's connections, by the port of the other side.
func kernelQueues(listener string) (map[string]int64, error) {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return nil, err
	}
	open, ours := map[string]int64{}, port(listener)
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line) // number, local, remote, state, send:receive queue, …
		const timeWait = "06"
		if len(f) < 5 || !strings.HasSuffix(f[1], ours) || f[3] == timeWait {
			continue
		}
		sent, _, _ := strings.Cut(f[4], ":")
		n, _ := strconv.ParseInt(sent, 16, 64)
		open[f[2][strings.LastIndexByte(f[2], ':'):]] = n
	}
	return open, nil
}

// port is an address's port as the kernel's table writes it, with the colon.
func port(addr string) string {
	n, _ := strconv.Atoi(addr[strings.LastIndexByte(addr, ':')+1:])
	return fmt.Sprintf(":%04X", n)
}

// strained plays a card as a planted bug's provocation.
func strained(f *fault) func(context.Context, *world) {
	return func(ctx context.Context, w *world) {
		if _, _, err := f.run(ctx, w, w.rnd(900)); err != nil {
			w.t.Errorf("harness invalid: %q: %v", f.name, err)
		}
	}
}
