package usage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		parent     int
		cpu        time.Duration
		ok         bool
	}{
		{"plain", "7 (beam.smp) S 3 7 7 0 -1 4194560 100 0 0 0 250 50 9 9 20 0 4 0 12345 1 1", 3, 3 * time.Second, true},
		{"name with ) and blanks", "7 (a) b (c) S 3 7 7 0 -1 4194560 100 0 0 0 1 2 9 9 20 0 4 0 12345 1 1", 3, 30 * time.Millisecond, true},
		{"cut", "7 (x) S 3", 0, 0, false},
		{"no numbers", "7 (x) S y 7 7 0 -1 4194560 100 0 0 0 a b 9", 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parent, cpu, err := parseStat(tt.text)
			if (err == nil) != tt.ok || tt.ok && (parent != tt.parent || cpu != tt.cpu) {
				t.Errorf("parent %d, cpu %v, err %v", parent, cpu, err)
			}
		})
	}
}

func TestParseRSSAndMachine(t *testing.T) {
	if got := parseRSS("Name:\tx\nVmPeak:\t 9 kB\nVmRSS:\t    2048 kB\n"); got != 2<<20 {
		t.Errorf("RSS %d", got)
	}
	if got := parseRSS("Name:\tkthreadd\n"); got != 0 {
		t.Errorf("RSS of a kernel thread %d", got)
	}
	busy, idle, err := parseMachine("cpu  100 1 50 800 20 3 4 5 0 0\ncpu0 1 1\n")
	if err != nil || busy != 163*tick || idle != 820*tick {
		t.Errorf("busy %v, idle %v, err %v", busy, idle, err)
	}
	if _, _, err := parseMachine("intr 1 2 3"); err == nil {
		t.Error("nonsense was read")
	}
}

// machine makes a /proc of its own.
type machine struct {
	dir string
	t   *testing.T
}

func (m machine) proc(pid, parent int, ticks, rssKiB int64) {
	m.t.Helper()
	dir := filepath.Join(m.dir, fmt.Sprint(pid))
	m.write(filepath.Join(dir, "stat"), fmt.Sprintf("%d (p) S %d 1 1 0 -1 0 0 0 0 0 %d 0 0 0", pid, parent, ticks))
	m.write(filepath.Join(dir, "status"), fmt.Sprintf("VmRSS:\t%d kB\n", rssKiB))
}

func (m machine) load(busy, idle int64) {
	m.t.Helper()
	m.write(filepath.Join(m.dir, "stat"), fmt.Sprintf("cpu %d 0 0 %d 0 0 0 0 0 0\n", busy, idle))
}

func (m machine) write(path, text string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func TestUsageCountsChildrenToolAndStrangers(t *testing.T) {
	m := machine{t.TempDir(), t}
	m.proc(10, 1, 100, 1000) // gw1
	m.proc(20, 1, 200, 2000) // rabbitmq, with a helper and the helper's own
	m.proc(21, 20, 10, 10)
	m.proc(22, 21, 1, 1)
	m.proc(99, 1, 50, 1) // this tool
	m.load(1000, 1000)
	pids := map[string]int{"gw1": 10, "rabbitmq": 20}
	before, err := takeFrom(m.dir, pids, 99)
	if err != nil {
		t.Fatal(err)
	}
	if u := before.Procs["rabbitmq"]; u.CPU != 211*tick || u.RSS != 2011<<10 {
		t.Errorf("rabbitmq with its helpers: %+v", u)
	}
	m.proc(10, 1, 140, 1000)
	m.proc(21, 20, 30, 10)
	m.proc(99, 1, 80, 1)
	m.load(1000+40+20+30+7, 1103)
	after, err := takeFrom(m.dir, pids, 99)
	if err != nil {
		t.Fatal(err)
	}
	sp, err := after.Since(before)
	if err != nil {
		t.Fatal(err)
	}
	if sp.Total() != 60*tick || sp.Named("gw") != 40*tick || sp.Self != 30*tick || sp.Other != 7*tick {
		t.Errorf("total %v, gateways %v, tool %v, others %v", sp.Total(), sp.Named("gw"), sp.Self, sp.Other)
	}
	if sp.Full < .48 || sp.Full > .49 {
		t.Errorf("the machine was %.3f full", sp.Full)
	}
}

func TestARestartedOrLostProcessVoidsTheRun(t *testing.T) {
	m := machine{t.TempDir(), t}
	m.proc(10, 1, 100, 1)
	m.proc(11, 1, 5, 1)
	m.load(1, 1)
	before, err := takeFrom(m.dir, map[string]int{"gw1": 10}, 11)
	if err != nil {
		t.Fatal(err)
	}
	after, err := takeFrom(m.dir, map[string]int{"gw1": 11}, 11)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := after.Since(before); err == nil || !strings.Contains(err.Error(), "restarted") {
		t.Errorf("a new process passed for the old one: %v", err)
	}
	if _, err := takeFrom(m.dir, map[string]int{"gw1": 12}, 11); err == nil {
		t.Error("a process that is gone was measured")
	}
}
