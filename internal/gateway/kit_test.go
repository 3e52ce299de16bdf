package gateway

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/gateway/inlet"
	"chat-service/internal/protocol"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/wscases"
)

// TestMain looks for goroutines that outlive their gateway; two of fasthttp's end by themselves, later.
func TestMain(m *testing.M) {
	if os.Getenv(idleServer) != "" {
		serveIdle()
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

const (
	opText  = inlet.OpText
	opClose = inlet.OpClose
	opPing  = inlet.OpPing
	opPong  = inlet.OpPong
)

// patience bounds every wait in these tests; nothing is expected to take it.
const patience = 10 * time.Second

// verifier takes tokens "user:session" and, with a third part, the milliseconds that they still live.
type verifier struct{}

func (verifier) Verify(token string) (Claims, error) {
	parts := strings.Split(token, ":")
	if len(parts) < 2 {
		return Claims{}, chat.E(chat.Unauthenticated, "bad token")
	}
	user, err := strconv.ParseUint(parts[0], 10, 64)
	if err != nil {
		return Claims{}, chat.E(chat.Unauthenticated, "bad token")
	}
	life := time.Hour
	if len(parts) > 2 {
		ms, _ := strconv.Atoi(parts[2])
		life = time.Duration(ms) * time.Millisecond
	}
	if life <= 0 {
		return Claims{}, chat.E(chat.TokenExpired, "expired")
	}
	return Claims{User: chat.UserID(user), Session: chat.SessionID(parts[1]), ExpiresAt: time.Now().Add(life)}, nil
}

// fakeBus is an in-memory bus with one worker behind it.
type fakeBus struct {
	mu         sync.Mutex
	refuse     error // of Publish
	lose       error // of done
	away       error // of Ready
	got        []envelope.Command
	beats      int
	told       map[chat.SocketID][]int // partitions of what came together
	malformed  int
	partitions map[envelope.CommandKind][]int
	todo       chan func()
}

func (b *fakeBus) PublishBatched(partition int, record []byte, done func(error)) error {
	c, err := envelope.DecodeCommand(record)
	if err != nil {
		return err
	}
	b.mu.Lock()
	if b.told == nil {
		b.told = map[chat.SocketID][]int{}
	}
	b.told[c.Socket] = append(b.told[c.Socket], partition)
	b.mu.Unlock()
	return b.Publish(partition, record, done)
}

func (b *fakeBus) Publish(partition int, record []byte, done func(error)) error {
	c, err := envelope.DecodeCommand(record)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.malformed++
		return err
	}
	if b.refuse != nil {
		return b.refuse
	}
	b.got = append(b.got, c)
	if b.partitions == nil {
		b.partitions = map[envelope.CommandKind][]int{}
	}
	b.partitions[c.Kind] = append(b.partitions[c.Kind], partition)
	lose := b.lose
	b.todo <- func() {
		if done != nil {
			done(lose)
		}
	}
	return nil
}

func (b *fakeBus) Beat([]byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.beats++
	return nil
}

func (b *fakeBus) Ready() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.away
}

// set changes how the bus behaves.
func (b *fakeBus) set(f func(b *fakeBus)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b)
}

// commands returns what came of a kind.
func (b *fakeBus) commands(k envelope.CommandKind) (l []envelope.Command) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.got {
		if c.Kind == k {
			l = append(l, c)
		}
	}
	return l
}

// gate is a running gateway with a bus and a simple worker.
type gate struct {
	*Gateway
	t      testing.TB
	bus    *fakeBus
	serial sync.Mutex // of Deliver
	mute   map[envelope.CommandKind]bool
	seq    chat.Seq // of room 7
	seen   int
	rooms  int              // further rooms of every user
	log    []envelope.Entry // of room 7: what repairs bring
	plain  bool             // welcome offers no features
	quit   chan struct{}
	addr   string // where another process's gateway listens
	ended  sync.WaitGroup
}

const testRoom = chat.RoomID(7)

func newGate(t testing.TB, mute []envelope.CommandKind, change func(*Options)) *gate {
	t.Helper()
	bus := &fakeBus{todo: make(chan func(), 1<<16)}
	o := Options{ID: "g1.boot", Partitions: 4, Addr: "127.0.0.1:0", Bus: bus, Verifier: verifier{}, Frames: protocol.DefaultLimits(), Drain: 200 * time.Millisecond}
	if change != nil {
		change(&o)
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	gt := &gate{Gateway: g, t: t, bus: bus, mute: map[envelope.CommandKind]bool{}, seq: 5, quit: make(chan struct{})}
	for _, k := range mute {
		gt.mute[k] = true
	}
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	gt.ended.Go(gt.work)
	g.BusUp()
	t.Cleanup(func() {
		if !g.draining.Load() {
			gt.stop()
		}
		close(gt.quit)
		gt.ended.Wait()
	})
	return gt
}

func (gt *gate) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := gt.Stop(ctx); err != nil {
		gt.t.Errorf("stop: %v", err)
	}
}

// work confirms what is published and answers it as a worker would.
func (gt *gate) work() {
	for {
		select {
		case <-gt.quit:
			return
		case f := <-gt.bus.todo:
			f()
		}
		gt.bus.mu.Lock()
		l := gt.bus.got[gt.seen:]
		gt.seen = len(gt.bus.got)
		gt.bus.mu.Unlock()
		for i := range l {
			gt.answer(&l[i])
		}
	}
}

func (gt *gate) answer(c *envelope.Command) {
	if gt.mute[c.Kind] {
		return
	}
	d := envelope.Delivery{Gateway: c.Gateway, Socket: c.Socket, Room: c.Room, Epoch: 1}
	switch c.Kind {
	case envelope.Connect:
		d.Kind, d.At = envelope.Welcome, c.At
		if d.Features = []string{chat.FeatureChanges, chat.FeatureData}; gt.plain {
			d.Features = nil
		}
		d.Frame = protocol.AppendWelcome(nil, protocol.Welcome{SessionID: c.Session, Features: d.Features})
		d.Points = []envelope.Point{{Room: testRoom, Seq: gt.seq, Epoch: 1}}
		for i := range gt.rooms {
			d.Points = append(d.Points, envelope.Point{Room: chat.RoomID(100 + i + int(c.User)%1000*8), Seq: gt.seq, Epoch: 1})
		}
	case envelope.Attach:
		d.Kind, d.Number, d.Seq, d.Repair, d.Users = envelope.Attached, c.Number, gt.seq, c.Repair, c.Users
		if c.Repair {
			d.Entries = gt.log
		}
	case envelope.Send:
		gt.seq++
		m := chat.Message{Room: c.Room, Seq: gt.seq, Kind: chat.Text, Sender: c.User, ClientMsgID: c.ClientMsgID, Content: c.Content}
		d.Kind, d.Seq, d.Ref = envelope.InRoom, gt.seq, c.ClientMsgID
		d.Frame, d.Ack = protocol.AppendMessage(nil, m), protocol.AppendAck(nil, m, c.ClientSeq, false)
	case envelope.Change:
		d.Kind, d.Ref = envelope.ToSocket, c.ErrorRef
		d.Frame = protocol.AppendDone(nil, chat.Changed{Change: c.ChangeOf()}, c.Ref)
	case envelope.Join:
		d.Kind, d.Seq = envelope.Joined, gt.seq
		d.Frame = protocol.AppendJoined(nil, protocol.ListedRoom{})
	case envelope.Watch:
		d.Kind, d.Users, d.Frame = envelope.Watched, c.Users, protocol.AppendPresence(nil, nil)
	default:
		return
	}
	gt.deliver(d)
}

func (gt *gate) deliver(ds ...envelope.Delivery) {
	var records [][]byte
	for i := range ds {
		records = append(records, ds[i].Append(nil))
	}
	b := envelope.Frame(nil, records)
	gt.serial.Lock()
	defer gt.serial.Unlock()
	gt.Deliver(b)
	clear(b) // a gateway that keeps it is found out
}

// client is a WebSocket client that can do everything wrong.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	res  *http.Response
}

// dial shakes hands; header lines end in \r\n.
func (gt *gate) dial(query, headers string) *client {
	gt.t.Helper()
	addr := gt.addr
	if addr == "" {
		addr = gt.Addr()
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		gt.t.Fatal(err)
	}
	gt.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	key := base64.StdEncoding.EncodeToString([]byte("0123456789abcdef"))
	_, err = fmt.Fprintf(conn, "GET /api/v1/ws%s HTTP/1.1\r\nHost: chat.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n", query, key, headers)
	if err != nil {
		gt.t.Fatal(err)
	}
	c := &client{t: gt.t, conn: conn, r: bufio.NewReader(conn)}
	if c.res, err = http.ReadResponse(c.r, nil); err != nil {
		gt.t.Fatal(err)
	}
	return c
}

// login is a live socket of a user: its welcome is read.
func (gt *gate) login(user int) *client {
	gt.t.Helper()
	c := gt.dial(fmt.Sprintf("?token=%d:s%d", user, user), "")
	c.want("welcome")
	return c
}

func (c *client) write(b []byte) { _, _ = c.conn.Write(b) }

func (c *client) send(format string, args ...any) {
	c.write(wscases.Frame(0x81, fmt.Appendf(nil, format, args...)))
}

// next reads a frame.
func (c *client) next() (op byte, payload []byte, err error) {
	var h [2]byte
	if _, err = io.ReadFull(c.r, h[:]); err != nil {
		return 0, nil, err
	}
	if h[0]&0xf0 != 0x80 || h[1]&0x80 != 0 {
		return 0, nil, fmt.Errorf("a server frame begins with % x", h)
	}
	n := uint64(h[1])
	var ext [8]byte
	switch n {
	case 126:
		_, err = io.ReadFull(c.r, ext[6:])
		n = binary.BigEndian.Uint64(ext[:])
	case 127:
		_, err = io.ReadFull(c.r, ext[:])
		n = binary.BigEndian.Uint64(ext[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(c.r, payload)
	return h[0] & 0xf, payload, err
}

// frame is a server frame's fields that tests look at.
type frame struct {
	Type        string
	Room        int `json:"room_id"`
	Seq         int
	Code, Ref   string
	Retry       bool
	RetryMS     int    `json:"retry_after_ms"`
	ClientMsgID string `json:"client_msg_id"`
	Content     string
	Reason      string
	AfterMS     int            `json:"after_ms"`
	Rooms       map[string]int `json:"-"`
	Changes     map[string]int
}

// text reads the next text frame, answering pings.
func (c *client) text() (frame, error) {
	for {
		op, payload, err := c.next()
		switch {
		case err != nil:
			return frame{}, err
		case op == opPing:
			c.write(wscases.Frame(0x80|opPong, payload))
		case op == opClose:
			return frame{}, closed(payload)
		case op == 1:
			var f frame
			err := json.Unmarshal(payload, &f)
			if f.Type == "welcome" {
				err = nil // its rooms are a list
			}
			return f, err
		}
	}
}

// closedError is a close frame from the server.
type closedError struct {
	code   int
	reason string
}

func (e *closedError) Error() string { return fmt.Sprintf("closed with %d %s", e.code, e.reason) }

func closed(payload []byte) error {
	if len(payload) < 2 {
		return &closedError{}
	}
	return &closedError{int(binary.BigEndian.Uint16(payload)), string(payload[2:])}
}

// want reads frames until one of the type comes; others fail.
func (c *client) want(typ string) frame {
	c.t.Helper()
	f, err := c.text()
	if err != nil || f.Type != typ {
		c.t.Fatalf("want %s, got %+v, %v", typ, f, err)
	}
	return f
}

// closed reads until the server's close frame, answers it and returns its code; 0 is a connection cut without one.
func (c *client) closed() int {
	c.t.Helper()
	for {
		_, err := c.text()
		var e *closedError
		switch {
		case errors.As(err, &e):
			if len(e.reason) > 123 || e.reason != "" && !json.Valid([]byte(e.reason)) {
				c.t.Errorf("close reason %q", e.reason)
			}
			c.write(wscases.Frame(0x80|opClose, binary.BigEndian.AppendUint16(nil, uint16(e.code))))
			return e.code
		case err != nil:
			return 0
		}
	}
}

// gone waits until no socket is left.
func (gt *gate) gone() {
	gt.t.Helper()
	testkit.Eventually(gt.t, patience, func() (bool, string) {
		n := len(gt.sockets.all())
		return n == 0, fmt.Sprintf("%d sockets are left", n)
	})
}

// value reads a counter.
func value(c prometheus.Metric) float64 {
	var m dto.Metric
	_ = c.Write(&m)
	return m.GetCounter().GetValue()
}
