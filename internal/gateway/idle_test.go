package gateway

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/test/testkit"
)

// idleServer makes this test binary a gateway that is measured from outside, so that the clients don't count.
const idleServer = "GATEWAY_TEST_IDLE_SERVER"

// serveIdle prints its address; then, for every line that it reads, it returns memory to the system and prints how
// many sockets are open.
func serveIdle() {
	bus := &fakeBus{todo: make(chan func(), 1<<16)}
	g, err := New(Options{ID: "g1.boot", Partitions: 4, Addr: "127.0.0.1:0", Bus: bus, Verifier: verifier{}, Frames: protocol.DefaultLimits()})
	if err == nil {
		err = g.Start(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	gt := &gate{Gateway: g, bus: bus, mute: map[envelope.CommandKind]bool{}, seq: 5, quit: make(chan struct{}), rooms: 4}
	go gt.work()
	g.BusUp()
	fmt.Println(g.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		bus.set(func(b *fakeBus) {
			if gt.seen == len(b.got) {
				b.got, gt.seen = nil, 0
			}
		})
		debug.FreeOSMemory()
		debug.FreeOSMemory()
		fmt.Println(g.open.Load())
	}
}

// BenchmarkIdle opens 5,000 sockets in 5 rooms each and reports what one of them takes of the gateway's memory.
func BenchmarkIdle(b *testing.B) {
	const sockets = 5_000
	for b.Loop() {
		exe, err := os.Executable()
		if err != nil {
			b.Fatal(err)
		}
		cmd := exec.CommandContext(b.Context(), exe)
		cmd.Env = append(os.Environ(), idleServer+"=1")
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		line := func() string { lines.Scan(); return lines.Text() }
		gt := &gate{t: b, addr: line()}
		ask := func() string { _, _ = fmt.Fprintln(in); return line() }
		ask()
		before := rss(b, cmd.Process.Pid)
		for i := range sockets {
			gt.login(i + 1)
		}
		quiet := time.Now().Add(4 * time.Second) // fasthttp's idle workers end
		testkit.Eventually(b, time.Minute, func() (bool, string) {
			return time.Now().After(quiet) && ask() == strconv.Itoa(sockets), "not all are open"
		})
		b.ReportMetric(float64(rss(b, cmd.Process.Pid)-before)*1024/sockets, "B/socket")
		ticks := cpu(b, cmd.Process.Pid)
		later := time.Now().Add(5 * time.Second)
		testkit.Eventually(b, time.Minute, func() (bool, string) { return time.Now().After(later), "" })
		b.ReportMetric(float64(cpu(b, cmd.Process.Pid)-ticks)/5, "%cpu")
		_ = in.Close()
		_ = cmd.Wait()
	}
}

// rss returns a process's anonymous resident memory in KiB.
func rss(b *testing.B, pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// cpu returns a process's processor time in hundredths of a second.
func cpu(b *testing.B, pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	user, _ := strconv.Atoi(f[11])
	sys, _ := strconv.Atoi(f[12])
	return user + sys
}
