package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

const (
	welcomeWithin = 30 * time.Second
	sources       = 250   // loopback addresses to connect from
	portsPerIP    = 5_000 // connections from one loopback address before the next one is taken
	smallBuffer   = 1 << 10
	busyBuffer    = 8 << 10
)

// dialer opens sockets, spread over the gateways and over loopback source addresses, so that one run can hold more than
// one address's range of ports.
type dialer struct {
	urls   []string
	buffer int           // bytes of each socket's reader
	opened atomic.Uint64 // begins at a random source: the ports of an earlier run's sockets stay in use for a minute
}

func newDialer(urls []string, buffer int) *dialer {
	d := &dialer{urls: urls, buffer: buffer}
	d.opened.Store(rand.Uint64N(sources) * portsPerIP)
	return d
}

// socket is one authenticated connection. One goroutine reads; any may write.
type socket struct {
	nc     net.Conn
	br     *bufio.Reader
	closed atomic.Bool

	mu  sync.Mutex
	out []byte
}

// welcomed is the part of the welcome frame that is used.
type welcomed struct {
	Rooms []struct {
		ID      uint64 `json:"id"`
		LastSeq uint64 `json:"last_seq"`
		Epoch   uint64 `json:"epoch"`
	} `json:"rooms"`
}

func (d *dialer) nextSource(n uint64, target string) net.Addr {
	u, err := url.Parse(target)
	if err != nil {
		return nil
	}
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() || ip.To4() == nil {
		return nil
	}
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+n/portsPerIP%sources))}
}

// dial opens a socket and waits for its welcome.
func (d *dialer) dial(ctx context.Context, token string) (*socket, welcomed, error) {
	n := d.opened.Add(1)
	target := d.urls[int(n)%len(d.urls)]
	nd := net.Dialer{Timeout: welcomeWithin, LocalAddr: d.nextSource(n, target)}
	wd := ws.Dialer{
		Timeout: welcomeWithin, ReadBufferSize: smallBuffer, WriteBufferSize: smallBuffer, NetDial: nd.DialContext,
		Header: ws.HandshakeHeaderHTTP(http.Header{"Authorization": {"Bearer " + token}}),
	}
	nc, early, _, err := wd.Dial(ctx, target)
	if err != nil {
		return nil, welcomed{}, fmt.Errorf("open socket: %w", err)
	}
	var src io.Reader = nc
	if early != nil { // the welcome arrived together with the upgrade
		p, _ := early.Peek(early.Buffered())
		src = &prefixed{rest: append([]byte(nil), p...), Reader: nc}
		ws.PutReader(early)
	}
	s := &socket{nc: nc, br: bufio.NewReaderSize(src, d.buffer)}
	w, err := s.welcome()
	if err != nil {
		_ = nc.Close()
		return nil, w, err
	}
	return s, w, nil
}

// prefixed is a reader whose first bytes have been read already.
type prefixed struct {
	rest []byte
	io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.rest) > 0 {
		n := copy(b, p.rest)
		p.rest = p.rest[n:]
		return n, nil
	}
	return p.Reader.Read(b)
}

func (s *socket) welcome() (w welcomed, err error) {
	if err := s.nc.SetReadDeadline(time.Now().Add(welcomeWithin)); err != nil {
		return w, err
	}
	for {
		p, err := s.read()
		if err != nil {
			return w, fmt.Errorf("await welcome: %w", err)
		}
		switch scanFrame(p).kind {
		case welcomeFrame:
			if err := json.Unmarshal(p, &w); err != nil {
				return w, fmt.Errorf("read welcome: %w", err)
			}
			return w, s.nc.SetReadDeadline(time.Time{})
		case errorFrame:
			return w, fmt.Errorf("await welcome: %s", p)
		default: // anything else may come first
		}
	}
}

// read returns the next data message, valid until the next read; pings are answered. A message that fits into the
// reader's buffer is not copied.
func (s *socket) read() ([]byte, error) {
	for {
		h, err := ws.ReadHeader(s.br)
		if err != nil {
			return nil, err
		}
		p, err := s.payload(int(h.Length))
		if err != nil {
			return nil, err
		}
		switch h.OpCode {
		case ws.OpPing:
			if err := s.write(ws.OpPong, p); err != nil {
				return nil, err
			}
		case ws.OpPong:
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(p)
			return nil, fmt.Errorf("closed by the server: %d %s", code, reason)
		default:
			if !h.Fin {
				return nil, errors.New("fragmented message: servers of this protocol send none")
			}
			return p, nil
		}
	}
}

func (s *socket) payload(n int) ([]byte, error) {
	if n > s.br.Size() {
		p := make([]byte, n)
		_, err := io.ReadFull(s.br, p)
		return p, err
	}
	p, err := s.br.Peek(n)
	if err != nil {
		return nil, err
	}
	_, err = s.br.Discard(n)
	return p, err
}

// write sends one masked frame in one syscall.
func (s *socket) write(op ws.OpCode, p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = appendFrame(s.out[:0], op, p)
	_, err := s.nc.Write(s.out)
	if cap(s.out) > smallBuffer {
		s.out = nil
	}
	return err
}

func appendFrame(dst []byte, op ws.OpCode, p []byte) []byte {
	dst = append(dst, 0x80|byte(op))
	switch n := len(p); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	default: // the tool sends nothing above 64 KiB
		dst = append(dst, 0x80|126, byte(n>>8), byte(n))
	}
	r := rand.Uint32()
	mask := [4]byte{byte(r), byte(r >> 8), byte(r >> 16), byte(r >> 24)}
	dst = append(dst, mask[:]...)
	at := len(dst)
	dst = append(dst, p...)
	ws.Cipher(dst[at:], mask, 0)
	return dst
}

// close ends the connection; the reader then ends without an error of its own.
func (s *socket) close() {
	s.closed.Store(true)
	_ = s.nc.Close()
}
