package faultproxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers every byte with itself.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func say(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, c net.Conn, want string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("got %q, %v; want %q", b, err, want)
	}
}

// silent fails if anything comes although the proxy has taken what was said: it is given no time, for nothing may come.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	n, err := c.Read(make([]byte, 1))
	var late net.Error
	if n > 0 || !errors.As(err, &late) || !late.Timeout() {
		t.Fatalf("%d bytes, %v; want nothing and an open connection", n, err)
	}
}

func gone(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := io.Copy(io.Discard, c)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		t.Fatal("the connection stays open")
	}
}

func TestProxyForwards(t *testing.T) {
	p := New(t, echo(t))
	a, b := dial(t, p), dial(t, p)
	say(t, a, "one")
	say(t, b, "two")
	expect(t, a, "one")
	expect(t, b, "two")
	p.Latency(time.Millisecond)
	say(t, a, "slow")
	expect(t, a, "slow")
	if p.Accepted() != 2 {
		t.Errorf("%d accepted", p.Accepted())
	}
}

func TestProxyPauseAndResume(t *testing.T) {
	for _, d := range []Direction{Both, Up, Down} {
		t.Run(fmt.Sprint(d), func(t *testing.T) {
			p := New(t, echo(t))
			old := dial(t, p)
			say(t, old, "a")
			expect(t, old, "a")
			p.OneWay(d)
			say(t, old, "b")
			young := dial(t, p)
			say(t, young, "c")
			silent(t, old)
			silent(t, young)
			p.Resume()
			expect(t, old, "b")
			expect(t, young, "c")
		})
	}
}

func TestProxyCut(t *testing.T) {
	p := New(t, echo(t))
	c := dial(t, p)
	say(t, c, "a")
	expect(t, c, "a")
	p.Cut()
	gone(t, c)
	d := dial(t, p)
	say(t, d, "b")
	expect(t, d, "b")
}

func TestProxyCutsWhilePaused(t *testing.T) {
	p := New(t, echo(t))
	c := dial(t, p)
	say(t, c, "a")
	expect(t, c, "a")
	p.Pause()
	say(t, c, "b")
	p.Cut()
	gone(t, c)
}

func TestProxyRefuses(t *testing.T) {
	p := New(t, echo(t))
	old := dial(t, p)
	say(t, old, "a")
	expect(t, old, "a")
	p.Refuse(true)
	if c, err := net.Dial("tcp", p.Addr()); err == nil { // the reset may be there before the call returns
		gone(t, c)
		_ = c.Close()
	}
	if p.Accepted() != 2 {
		t.Errorf("%d accepted", p.Accepted())
	}
	say(t, old, "b")
	expect(t, old, "b")
	p.Refuse(false)
	c := dial(t, p)
	say(t, c, "c")
	expect(t, c, "c")
}

func TestProxyLimitsBytes(t *testing.T) {
	p := New(t, echo(t))
	c := dial(t, p)
	say(t, c, "abc")
	expect(t, c, "abc")
	p.LimitBytes(5) // three up, two down
	say(t, c, "def")
	gone(t, c)
	d := dial(t, p)
	say(t, d, "ghi")
	expect(t, d, "ghi")
}
