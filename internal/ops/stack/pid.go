package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// markerEnv is set in the environment of every process of a run and names its run directory, so that helpers that a
// server forks can be recognised.
const markerEnv = "CHAT_STACK_DIR"

// ident names one process for ever: PIDs are reused, a PID with its start time is not.
type ident struct {
	Pid   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks since boot
	Boot  string `json:"boot"`  // the kernel's boot id: ticks begin at zero with every boot
}

func identOf(pid int) (ident, error) {
	start, err := startTicks(pid)
	if err != nil {
		return ident{}, err
	}
	return ident{Pid: pid, Start: start, Boot: readTrimmed("/proc/sys/kernel/random/boot_id")}, nil
}

// alive reports whether exactly this process still runs (a zombie does not).
func (id ident) alive() bool {
	now, err := identOf(id.Pid)
	return err == nil && now == id
}

// startTicks reads field 22 of /proc/<pid>/stat; the name in field 2 may hold blanks and parentheses.
func startTicks(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return 0, fmt.Errorf("process %d: unreadable stat", pid)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return 0, fmt.Errorf("process %d: %w", pid, os.ErrProcessDone)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

func writePid(path string, id ident) error { return writeJSON(path, id) }

// leftover is a process of an earlier run.
type leftover struct {
	name     string
	recorded bool // it has a PID file; the others are helpers that such a process forked
}

// leftovers finds the processes of an earlier run in this directory: those of the PID files that are still the same
// process, and every process that carries the directory's marker.
func leftovers(dir string) (map[int]leftover, error) {
	found := map[int]leftover{}
	files, err := filepath.Glob(filepath.Join(dir, "pid", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		var id ident
		b, err := os.ReadFile(f)
		if err == nil && json.Unmarshal(b, &id) == nil && id.Pid > 1 && id.alive() {
			found[id.Pid] = leftover{name: strings.TrimSuffix(filepath.Base(f), ".json"), recorded: true}
		}
	}
	envs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, err
	}
	mark := "\x00" + markerEnv + "=" + dir + "\x00"
	for _, f := range envs {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil || pid == os.Getpid() || found[pid].recorded {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil || !strings.Contains("\x00"+string(b)+"\x00", mark) {
			continue
		}
		if _, err := startTicks(pid); err == nil {
			found[pid] = leftover{name: readTrimmed(fmt.Sprintf("/proc/%d/comm", pid))}
		}
	}
	return found, nil
}

// endLeftovers ends them. The recorded ones are asked first and get time: RabbitMQ stops in order only while its
// helpers live. Whatever is left is killed.
func endLeftovers(dir string, out *Progress) error {
	for _, round := range []struct {
		sig     syscall.Signal
		helpers bool
		within  time.Duration
	}{{syscall.SIGTERM, false, 10 * time.Second}, {syscall.SIGTERM, true, 2 * time.Second}, {syscall.SIGKILL, true, 5 * time.Second}} {
		left, err := leftovers(dir)
		if err != nil {
			return fmt.Errorf("look for leftovers: %w", err)
		}
		var asked []int
		for pid, l := range left {
			if !l.recorded && !round.helpers {
				continue
			}
			out.Say("cleanup", "ending %s (process %d), left over from an earlier run", l.name, pid)
			if err := syscall.Kill(pid, round.sig); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("end left over process %d (%s): %w", pid, l.name, err)
			}
			asked = append(asked, pid)
		}
		waitGone(asked, round.within)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "pid", "*.json"))
	for _, f := range files {
		_ = os.Remove(f)
	}
	_ = os.Remove(filepath.Join(dir, "pids.json"))
	return nil
}

func waitGone(pids []int, within time.Duration) {
	running := func(pid int) bool { _, err := startTicks(pid); return err == nil }
	for end := time.Now().Add(within); slices.ContainsFunc(pids, running) && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
}
