package gateway

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chat-service/internal/envelope"
	"chat-service/internal/test/testkit"
)

// kernelQueue returns what the kernel holds unsent on the connection from our port to theirs; ok is false if it knows
// no such connection.
func kernelQueue(t *testing.T, ours, theirs string) (queued int64, ok bool) {
	t.Helper()
	table, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	port := func(addr string) string {
		n, _ := strconv.Atoi(addr[strings.LastIndexByte(addr, ':')+1:])
		return fmt.Sprintf(":%04X", n)
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 4 && strings.HasSuffix(f[1], port(ours)) && strings.HasSuffix(f[2], port(theirs)) {
			tx, _, _ := strings.Cut(f[4], ":")
			n, _ := strconv.ParseInt(tx, 16, 64)
			return n, true
		}
	}
	return 0, false
}

// A client that never reads costs queue_bytes and some hundred KB of the kernel's, and is gone soon after its 4002.
func TestKernelHoldsLittleForWhoDoesNotRead(t *testing.T) {
	gt := newGate(t, nil, nil)
	gt.login(1)
	s := gt.login(2)
	ours, theirs := gt.Addr(), s.conn.LocalAddr().String()
	frame := bytes.Repeat([]byte(" "), 16<<10)
	most := int64(0)
	for range 500 {
		gt.deliver(envelope.Delivery{Kind: envelope.ToUser, User: 2, Frame: frame})
		if n, ok := kernelQueue(t, ours, theirs); ok {
			most = max(most, n)
		}
	}
	begin := time.Now()
	testkit.Eventually(t, patience, func() (bool, string) {
		n, ok := kernelQueue(t, ours, theirs)
		most = max(most, n)
		return !ok, fmt.Sprintf("the kernel still holds %d bytes", n)
	})
	t.Logf("the kernel held %d bytes at most, and the connection for %v after the last frame", most, time.Since(begin).Round(time.Millisecond))
	if most > 400<<10 {
		t.Errorf("the kernel held %d bytes", most)
	}
	if n := value(gt.m.Closed.WithLabelValues("4002")); n != 1 {
		t.Errorf("%v sockets are counted as slow", n)
	}
}

// The process isn't woken by what comes of a socket while it doesn't read it, and hears of it afterwards.
func TestUnreadSocketsWakeNobody(t *testing.T) {
	gt := newGate(t, []envelope.CommandKind{envelope.Change}, func(o *Options) {
		o.Bounds.RoomReactionsPerSecond, o.Bounds.RoomReactionBurst = 0.001, 1
	})
	s := gt.login(1)
	enough := func() (n int) {
		err := gt.sockets.all()[0].raw.Control(func(fd uintptr) {
			n, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	react := `{"type":"react","room_id":7,"seq":4,"key":"+","on":true,"change_id":"c%d"}`
	s.send(react, 1)
	s.send(react, 2)
	testkit.Eventually(t, patience, func() (bool, string) { return enough() > 1000, fmt.Sprintf("woken by %d bytes", enough()) })
	s.send(`{"type":"ping"}`)
	s.want("error")
	s.want("pong")
	if n := enough(); n != 1 {
		t.Errorf("then woken by %d bytes", n)
	}
	unanswered(t, gt, "c1")
}
