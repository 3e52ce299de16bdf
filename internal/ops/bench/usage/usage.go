package usage

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc's CPU times: USER_HZ, 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// Usage is what one named process has used, including its children.
type Usage struct {
	CPU time.Duration // user and system, since it started
	RSS int64         // bytes
}

// Snapshot is the usage of all processes at one moment.
type Snapshot struct {
	At    time.Time
	Pids  map[string]int
	Procs map[string]Usage
	Self  Usage         // this tool
	Busy  time.Duration // of all the machine's CPUs, by any process
	Idle  time.Duration
}

// Take takes a snapshot of the named processes. A process that has ended is an error.
func Take(pids map[string]int) (Snapshot, error) { return takeFrom("/proc", pids, os.Getpid()) }

func takeFrom(root string, pids map[string]int, self int) (Snapshot, error) {
	s := Snapshot{At: time.Now(), Pids: maps.Clone(pids), Procs: map[string]Usage{}}
	all, children, err := readProcs(root)
	if err != nil {
		return s, err
	}
	for name, pid := range pids {
		if _, ok := all[pid]; !ok {
			return s, fmt.Errorf("process %s (%d) has ended", name, pid)
		}
		s.Procs[name] = tree(all, children, pid)
	}
	s.Self = all[self]
	text, err := os.ReadFile(filepath.Join(root, "stat"))
	if err != nil {
		return s, fmt.Errorf("read the machine's load: %w", err)
	}
	s.Busy, s.Idle, err = parseMachine(string(text))
	return s, err
}

// readProcs reads every process once; the servers fork helpers by themselves.
func readProcs(root string) (map[int]Usage, map[int][]int, error) {
	dirs, err := filepath.Glob(filepath.Join(root, "[0-9]*"))
	if err != nil {
		return nil, nil, err
	}
	all, children := map[int]Usage{}, map[int][]int{}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		stat, err1 := os.ReadFile(filepath.Join(dir, "stat"))
		status, err2 := os.ReadFile(filepath.Join(dir, "status"))
		if err := errors.Join(err1, err2); err != nil {
			continue // it ended meanwhile
		}
		parent, cpu, err := parseStat(string(stat))
		if err != nil {
			return nil, nil, fmt.Errorf("process %d: %w", pid, err)
		}
		all[pid] = Usage{CPU: cpu, RSS: parseRSS(string(status))}
		children[parent] = append(children[parent], pid)
	}
	if len(all) == 0 {
		return nil, nil, fmt.Errorf("read %s: %w", root, fs.ErrNotExist)
	}
	return all, children, nil
}

func tree(all map[int]Usage, children map[int][]int, pid int) Usage {
	u := all[pid]
	for _, c := range children[pid] {
		k := tree(all, children, c)
		u.CPU, u.RSS = u.CPU+k.CPU, u.RSS+k.RSS
	}
	return u
}

// parseStat reads /proc/<pid>/stat: the parent and the CPU time. The name in field 2 may contain blanks and parentheses.
func parseStat(text string) (parent int, cpu time.Duration, err error) {
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 13 {
		return 0, 0, errors.New("unreadable stat")
	}
	parent, err = strconv.Atoi(f[1])
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	return parent, time.Duration(user+system) * tick, errors.Join(err, err1, err2)
}

// parseRSS reads VmRSS of /proc/<pid>/status in bytes; a kernel thread has none.
func parseRSS(text string) int64 {
	for line := range strings.SplitSeq(text, "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

// parseMachine reads the first line of /proc/stat: user nice system idle iowait irq softirq steal.
func parseMachine(text string) (busy, idle time.Duration, err error) {
	line, _, _ := strings.Cut(text, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return 0, 0, errors.New("unreadable /proc/stat")
	}
	for i, field := range f[1:9] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("unreadable /proc/stat: %w", err)
		}
		if i == 3 || i == 4 {
			idle += time.Duration(n) * tick
		} else {
			busy += time.Duration(n) * tick
		}
	}
	return busy, idle, nil
}

// Span is what was used between two snapshots.
type Span struct {
	Took  time.Duration
	CPU   map[string]time.Duration
	Self  time.Duration
	Other time.Duration // by programs that are neither the system nor this tool
	Full  float64       // share of the machine's CPUs that was busy, 0 to 1
}

// Since returns what was used from before to s. A process that was restarted in between is an error: its figures are meaningless.
func (s Snapshot) Since(before Snapshot) (Span, error) {
	if !maps.Equal(s.Pids, before.Pids) {
		return Span{}, fmt.Errorf("processes were restarted during the run: %v, then %v", before.Pids, s.Pids)
	}
	sp := Span{Took: s.At.Sub(before.At), CPU: map[string]time.Duration{}, Self: s.Self.CPU - before.Self.CPU}
	busy, idle := s.Busy-before.Busy, s.Idle-before.Idle
	for name, u := range s.Procs {
		sp.CPU[name] = u.CPU - before.Procs[name].CPU
	}
	sp.Other = max(0, busy-sp.Self-sp.Total())
	if busy+idle > 0 {
		sp.Full = float64(busy) / float64(busy+idle)
	}
	return sp, nil
}

// Total is the CPU time of the whole system under test.
func (sp Span) Total() (sum time.Duration) {
	for _, d := range sp.CPU {
		sum += d
	}
	return sum
}

// Named is the CPU time of the processes whose name begins with prefix.
func (sp Span) Named(prefix string) (sum time.Duration) {
	for name, d := range sp.CPU {
		if strings.HasPrefix(name, prefix) {
			sum += d
		}
	}
	return sum
}

// RSS is the memory of the processes whose name begins with prefix, in bytes.
func (s Snapshot) RSS(prefix string) (sum int64) {
	for name, u := range s.Procs {
		if strings.HasPrefix(name, prefix) {
			sum += u.RSS
		}
	}
	return sum
}
