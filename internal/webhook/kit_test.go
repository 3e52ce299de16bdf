package webhook

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// loopback is what endpoints on this machine need.
var loopback = Networks{netip.MustParsePrefix("127.0.0.0/8")}

// known is a secret: that of the specification's examples.
var known = []byte{0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a, 0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c, 0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0}

// receiver is a server with a certificate, and a client that may post to it.
func receiver(t *testing.T, o Options, h http.HandlerFunc) (*Client, *httptest.Server) {
	t.Helper()
	s := server(t, h)
	o.Roots = x509.NewCertPool()
	o.Roots.AddCert(s.Certificate())
	if o.Private == nil {
		o.Private = loopback
	}
	c := New(o)
	t.Cleanup(c.Close)
	return c, s
}

// server is one with a certificate, that doesn't log how its clients leave.
func server(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// to is a delivery to an address, which may be private.
func to(url string) Delivery {
	return Delivery{URL: url, Secrets: [][]byte{known}, ID: "msg_1_2_0", At: time.Now(), Body: []byte(`{"type":"message.sent"}`), AllowPrivate: true}
}

// names is a name server. Each question for a name takes the next of its addresses; the last one stays.
type names struct {
	mu    sync.Mutex
	left  map[string][]string
	asked map[string]int
}

func (n *names) next(name string) net.IP {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked[name]++
	list := n.left[name]
	if len(list) == 0 {
		return nil
	}
	if len(list) > 1 {
		n.left[name] = list[1:]
	}
	return net.ParseIP(list[0])
}

func (n *names) count(name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[name]
}

// resolver serves names until the test ends.
func resolver(t *testing.T, answers map[string][]string) (*net.Resolver, *names) {
	t.Helper()
	n := &names{left: answers, asked: map[string]int{}}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(n.answer(buf[:size]), from)
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}, n
}

// answer answers a question for an address: A or AAAA, whichever the next address is.
func (n *names) answer(query []byte) []byte {
	var labels []string
	end := 12
	for query[end] != 0 {
		labels = append(labels, string(query[end+1:end+1+int(query[end])]))
		end += 1 + int(query[end])
	}
	end += 5
	question := query[12:end]
	kind := binary.BigEndian.Uint16(query[end-4:])
	out := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
	if kind != 1 { // the tests' names have IPv4 addresses only
		return out
	}
	ip := n.next(strings.Join(labels, ".")).To4()
	if ip == nil {
		out[3] |= 3 // no such name
		return out
	}
	out[7] = 1
	return append(append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), ip...)
}
