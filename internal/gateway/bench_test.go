package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
	"chat-service/internal/test/wscases"
)

// idle is a socket that is always being written to, so that frames only queue.
func idle(g *Gateway, id chat.SocketID) *socket {
	s := &socket{g: g, id: id, user: chat.UserID(id), phase: live, writing: true, reading: true}
	g.sockets.add(s)
	g.hub.Add(s)
	return s
}

func benchGateway(b *testing.B) *Gateway {
	g, err := New(Options{ID: "g1.boot", Partitions: 4, Bus: &fakeBus{todo: make(chan func(), 1<<16)}, Verifier: verifier{}, Frames: protocol.DefaultLimits(), QueueBytes: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	return g
}

// BenchmarkDeliver is one message of 200 bytes to a room's local sockets, from the batch to their queues.
func BenchmarkDeliver(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g := benchGateway(b)
			var sw hub.Sweep
			var l []*socket
			for i := range n {
				s := idle(g, chat.SocketID(i+1))
				g.hub.Attach(&sw, s, envelope.Point{Room: testRoom, Seq: 1, Epoch: 1})
				l = append(l, s)
			}
			g.hub.Attached(&sw, &envelope.Delivery{Room: testRoom, Epoch: 1, Seq: 1, Number: 1})
			d := envelope.Delivery{Kind: envelope.InRoom, Room: testRoom, Epoch: 1, Seq: 1, Frame: make([]byte, 200)}
			b.ReportAllocs()
			for b.Loop() {
				d.Seq++
				g.Deliver(envelope.Frame(nil, [][]byte{d.Append(nil)}))
				if d.Seq%256 == 0 {
					for _, s := range l {
						s.mu.Lock()
						s.dropQueue()
						s.mu.Unlock()
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/socket")
		})
	}
}

// BenchmarkWrite is frames of 200 bytes over loopback TCP, by how many are queued when the writer comes.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g := benchGateway(b)
			near, far := loopback(b)
			defer func() { _ = near.Close() }()
			drained := make(chan struct{})
			go func() { _, _ = io.Copy(io.Discard, far); close(drained) }()
			s := idle(g, 1)
			s.conn = near
			s.raw, _ = near.SyscallConn()
			w := g.writers.ws[0]
			f := hub.Text(make([]byte, 200))
			b.ReportAllocs()
			for b.Loop() {
				for range n {
					s.Push(f)
				}
				for w.write(s) {
				}
				g.writers.slow.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/frame")
			_ = near.Close()
			<-drained
		})
	}
}

// BenchmarkRead is frames of a client over loopback TCP, 64 at a time, until all are answered.
func BenchmarkRead(b *testing.B) {
	const batch = 64
	for _, size := range []int{100, 1000, 16 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			gt := newGate(b, nil, func(o *Options) { o.PingInterval = time.Hour })
			s := gt.login(1)
			_ = s.conn.SetDeadline(time.Time{})
			ping := `{"type":"ping"}`
			f := bytes.Repeat(wscases.Frame(0x81, []byte(ping+strings.Repeat(" ", size-len(ping)))), batch)
			pongs := make([]byte, batch*len(hub.Text(protocol.AppendPong(nil))))
			b.ReportAllocs()
			for b.Loop() {
				s.write(f)
				if _, err := io.ReadFull(s.r, pongs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/frame")
		})
	}
}

// BenchmarkHandshake is a socket from the connection to its welcome.
func BenchmarkHandshake(b *testing.B) {
	gt := newGate(b, nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		_ = gt.login(1).conn.Close()
	}
}

func loopback(b testing.TB) (near, far *net.TCPConn) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	return a.(*net.TCPConn), c.(*net.TCPConn)
}
