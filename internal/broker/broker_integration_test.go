//go:build integration

package broker

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/envelope"
	"chat-service/internal/test/testkit/faultproxy"
)

const patience = 20 * time.Second // of the tests themselves

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func amqpURL(t testing.TB) string {
	u := os.Getenv("CHAT_TEST_AMQP_URL")
	if u == "" {
		t.Fatal("CHAT_TEST_AMQP_URL is not set: run `make test`")
	}
	return u
}

// options returns options with a prefix of their own; what they declare is removed after the test.
func options(t testing.TB, queueType string) Options {
	t.Helper()
	o := Options{URL: amqpURL(t), Prefix: "t" + rand.Text()[:10], QueueType: queueType, Partitions: 2, Name: t.Name()}
	t.Cleanup(func() { wipe(t, o) })
	return o
}

func wipe(t testing.TB, o Options) {
	raw(t, o, func(ch *amqp.Channel) {
		for _, q := range []string{"control", "beats", "dead", "in.0", "in.1"} {
			if _, err := ch.QueueDelete(o.Prefix+"."+q, false, false, false); err != nil {
				t.Errorf("delete queue: %v", err)
			}
		}
		for _, x := range []string{"in", "out", "dead"} {
			if err := ch.ExchangeDelete(o.Prefix+"."+x, false, false); err != nil {
				t.Errorf("delete exchange: %v", err)
			}
		}
	})
}

// raw works on the broker directly.
func raw(t testing.TB, o Options, fn func(ch *amqp.Channel)) {
	t.Helper()
	conn, err := amqp.Dial(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	fn(ch)
}

func eachType(t *testing.T, fn func(t *testing.T, o Options)) {
	for _, qt := range []string{Quorum, Classic} {
		t.Run(qt, func(t *testing.T) {
			t.Parallel()
			fn(t, options(t, qt))
		})
	}
}

// through puts a proxy between the client and the broker.
func through(t *testing.T, o Options, refuse bool) (Options, *faultproxy.Proxy) {
	t.Helper()
	u, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := faultproxy.New(t, u.Host)
	p.Refuse(refuse)
	u.Host = p.Addr()
	o.URL = u.String()
	return o, p
}

func shut(t testing.TB, end func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := end(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func publisher(t testing.TB, o Options) *Publisher {
	t.Helper()
	p, err := NewPublisher(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, p.Close) })
	return p
}

// taker keeps what arrives and acks it, unless hold is set.
type taker struct {
	mu     sync.Mutex
	hold   bool
	bodies []string
	held   []envelope.Batch
	gens   []uint64
	closed []uint64
	panics int
}

func (k *taker) Opened(_ int, gen uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gens = append(k.gens, gen)
}

func (k *taker) Closed(_ int, gen uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = append(k.closed, gen)
}

func (k *taker) Take(b envelope.Batch) {
	if k.hold {
		k.mu.Lock()
		k.held = append(k.held, b)
		k.mu.Unlock()
	}
	k.Deliver(b.Body)
	if !k.hold {
		b.Ack()
	}
}

func (k *taker) Deliver(body []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.panics > 0 {
		k.panics--
		panic("test")
	}
	k.bodies = append(k.bodies, string(body))
}

func (k *taker) got() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.bodies...)
}

func (k *taker) opened() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.gens)
}

func consumers(t *testing.T, o Options, prefetch int, h PartitionHandler) *Consumers {
	t.Helper()
	c, err := NewConsumers(o, prefetch, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, c.Close) })
	return c
}

// count returns the messages that wait in a queue.
func waiting(t *testing.T, o Options, queue string) (n int) {
	t.Helper()
	raw(t, o, func(ch *amqp.Channel) {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		n = q.Messages
	})
	return n
}

// send publishes and waits for the outcome.
func send(t *testing.T, p *Publisher, to Target, body string) error {
	t.Helper()
	outcome := make(chan error, 1)
	deadline := time.Now().Add(patience)
	for {
		err := p.Publish(to, []byte(body), func(err error) { outcome <- err })
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("publish: %v", err)
		}
		<-time.After(5 * time.Millisecond)
	}
	select {
	case err := <-outcome:
		return err
	case <-time.After(patience):
		t.Fatal("no outcome")
		return nil
	}
}

func TestConfirmReturnDeliver(t *testing.T) {
	eachType(t, func(t *testing.T, o Options) {
		p, k := publisher(t, o), &taker{}
		eventually(t, "ready", func() bool { return p.Ready() == nil && p.State() == Up })
		c := consumers(t, o, 10, k)
		c.Set([]int{0, 7, -1}, nil)
		if err := send(t, p, o.In(0), "hello"); err != nil {
			t.Errorf("to a partition: %v", err)
		}
		if err := send(t, p, o.In(1), "kept"); err != nil {
			t.Errorf("to a partition that nobody consumes: %v", err)
		}
		if err := send(t, p, o.In(99), "lost"); !errors.Is(err, ErrUnroutable) {
			t.Errorf("to no partition: %v", err)
		}
		if err := send(t, p, o.Gateway("nobody"), "lost"); !errors.Is(err, ErrUnroutable) {
			t.Errorf("to no gateway: %v", err)
		}
		if err := send(t, p, o.Out(), "nobody listens"); err != nil {
			t.Errorf("to all of no gateways: %v", err)
		}
		eventually(t, "delivery", func() bool { return len(k.got()) == 1 && c.Active(0) && !c.Active(1) })
		equal(t, "delivered", []string{"hello"}, k.got())
		equal(t, "waiting", 1, waiting(t, o, o.InQueue(1)))
	})
}

func TestTTLDropsWaitingMessages(t *testing.T) {
	o := options(t, Classic)
	p := publisher(t, o)
	to := o.In(0)
	to.TTL = 50 * time.Millisecond
	if err := send(t, p, to, "short"); err != nil {
		t.Fatal(err)
	}
	// An expired message is dead-lettered.
	eventually(t, "expiry", func() bool { return waiting(t, o, o.name("dead")) == 1 })
}

func TestPublishingSurvivesCuts(t *testing.T) {
	eachType(t, func(t *testing.T, o Options) {
		const n = 5000
		k := &taker{}
		consumers(t, o, 50, k).Set([]int{1}, nil)
		proxied, px := through(t, o, false)
		proxied.Patience, proxied.Unconfirmed = patience, 16
		p := publisher(t, proxied)
		b := NewBatcher(p, o.In(1), join, BatchOptions{Records: 8})
		var mu sync.Mutex
		done := make([]int, n)
		for i := range n {
			err := b.Add([]byte(strconv.Itoa(i)), func(err error) {
				mu.Lock()
				defer mu.Unlock()
				if done[i]++; err != nil {
					t.Errorf("record %d: %v", i, err)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if i%500 == 250 {
				eventually(t, "some outcomes", func() bool { return p.Pending() < 400 })
				px.Cut()
			}
		}
		eventually(t, "all outcomes", func() bool { return p.Pending() == 0 })
		seen := map[string]bool{}
		var first []int
		eventually(t, "all deliveries", func() bool {
			seen, first = map[string]bool{}, first[:0]
			for _, body := range k.got() {
				for r := range bytes.SplitSeq([]byte(body), []byte(",")) {
					if s := string(r); !seen[s] {
						seen[s] = true
						i, _ := strconv.Atoi(s)
						first = append(first, i)
					}
				}
			}
			return len(first) == n
		})
		for i, v := range first {
			if v != i {
				t.Fatalf("record %d came in place %d", v, i)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for i, times := range done {
			if times != 1 {
				t.Fatalf("record %d was done %d times", i, times)
			}
		}
	})
}

func TestHandoverReturnsTheWindowInOrder(t *testing.T) {
	eachType(t, func(t *testing.T, o Options) {
		p := publisher(t, o)
		first, second := &taker{hold: true}, &taker{}
		a, b := consumers(t, o, 8, first), consumers(t, o, 8, second)
		a.Set([]int{0}, nil)
		eventually(t, "owner", func() bool { return first.opened() == 1 })
		if err := send(t, p, o.In(0), "0"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "activity", func() bool { return a.Active(0) })
		b.Set([]int{0}, nil)
		eventually(t, "standby", func() bool { return second.opened() == 1 })
		var want []string
		for i := 1; i < 30; i++ {
			if err := send(t, p, o.In(0), strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "full window", func() bool { return len(first.got()) == 8 })
		first.mu.Lock()
		for _, d := range first.held[:3] {
			d.Ack()
		}
		last := first.held[7]
		first.mu.Unlock()
		if !last.Live() || b.Active(0) {
			t.Error("standby is served while the owner lives")
		}
		a.Set(nil, nil)
		if last.Live() {
			t.Error("delivery lives on a closed channel")
		}
		last.Ack() // too late: dropped
		// The acks before the handover count: 3 is the first to come.
		for i := 3; i < 30; i++ {
			want = append(want, strconv.Itoa(i))
		}
		eventually(t, "the rest", func() bool { return len(second.got()) >= len(want) })
		equal(t, "standby", want, second.got())
		eventually(t, "closed", func() bool {
			first.mu.Lock()
			defer first.mu.Unlock()
			return len(first.closed) == 1 && first.closed[0] == first.gens[0]
		})
		a.Set([]int{0, 1}, nil)
		eventually(t, "again", func() bool { return first.opened() == 3 })
	})
}

func TestSetDoesNotWaitForABlockedHandler(t *testing.T) {
	o := options(t, Quorum)
	p := publisher(t, o)
	h := &blocker{entered: make(chan struct{}), leave: make(chan struct{})}
	c := consumers(t, o, 4, h)
	c.Set([]int{0}, nil)
	if err := send(t, p, o.In(0), "x"); err != nil {
		t.Fatal(err)
	}
	<-h.entered
	c.Set(nil, nil)
	eventually(t, "message back in the queue", func() bool { return waiting(t, o, o.InQueue(0)) == 1 })
	select {
	case <-h.closed():
		t.Error("Closed before Take has returned")
	default:
	}
	close(h.leave)
	<-h.closed()
}

type blocker struct {
	entered, leave chan struct{}
	once           sync.Once
	gone           chan struct{}
}

func (b *blocker) closed() chan struct{} {
	b.once.Do(func() { b.gone = make(chan struct{}) })
	return b.gone
}
func (b *blocker) Opened(int, uint64) {}
func (b *blocker) Closed(int, uint64) { close(b.closed()) }
func (b *blocker) Take(envelope.Batch) {
	close(b.entered)
	<-b.leave
}

func TestConsumersComeBack(t *testing.T) {
	eachType(t, func(t *testing.T, o Options) {
		p, k := publisher(t, o), &taker{}
		proxied, px := through(t, o, false)
		consumers(t, proxied, 10, k).Set([]int{0, 1}, nil)
		eventually(t, "opened", func() bool { return k.opened() == 2 })
		if err := send(t, p, o.In(0), "a"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a", func() bool { return len(k.got()) == 1 })
		px.Cut()
		eventually(t, "opened after a cut", func() bool { return k.opened() == 4 })
		if err := send(t, p, o.In(1), "b"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "b", func() bool { return len(k.got()) >= 2 })

		raw(t, o, func(ch *amqp.Channel) {
			if _, err := ch.QueueDelete(o.InQueue(0), false, false, false); err != nil {
				t.Error(err)
			}
		})
		eventually(t, "opened after the queue was deleted", func() bool { return k.opened() == 5 })
		if err := send(t, p, o.In(0), "c"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "c", func() bool { return k.got()[len(k.got())-1] == "c" })
	})
}

func TestPanickingHandlerGetsTheDeliveryAgain(t *testing.T) {
	eachType(t, func(t *testing.T, o Options) {
		p, k := publisher(t, o), &taker{panics: 2}
		consumers(t, o, 10, k).Set([]int{0}, nil)
		for i := range 5 {
			if err := send(t, p, o.In(0), strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "all", func() bool { return len(k.got()) >= 5 })
		equal(t, "delivered", []string{"0", "1", "2", "3", "4"}, k.got())
		equal(t, "channels", 3, k.opened())
	})
}

// station is a gateway's end.
type station struct {
	taker
	ups   []bool
	downs []error
}

func (s *station) Up(first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ups = append(s.ups, first)
}

func (s *station) Down(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.downs = append(s.downs, err)
}

func (s *station) upped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ups)
}

// unique leaves out what came again because its ack was cut off.
func (k *taker) unique() (u []string) {
	for _, b := range k.got() {
		if !slices.Contains(u, b) {
			u = append(u, b)
		}
	}
	return u
}

func TestGatewayQueue(t *testing.T) {
	o := options(t, Classic)
	p, s := publisher(t, o), &station{}
	proxied, px := through(t, o, false)
	g, err := NewGatewayConsumer(proxied, "g", "b", s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, g.Close) })
	eventually(t, "up", func() bool { return s.upped() == 1 && g.Ready() == nil })
	both := func(body string) {
		t.Helper()
		if err := errors.Join(send(t, p, o.Gateway(g.Queue()), body), send(t, p, o.Out(), body+" to all")); err != nil {
			t.Fatal(err)
		}
	}
	both("a")
	eventually(t, "a", func() bool { return len(s.unique()) == 2 })

	raw(t, o, func(ch *amqp.Channel) {
		if _, err := ch.QueueDelete(g.Queue(), false, false, false); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "up after the queue was deleted", func() bool { return s.upped() == 2 })
	both("b")
	eventually(t, "b", func() bool { return len(s.unique()) == 4 })

	px.Refuse(true)
	px.Cut()
	eventually(t, "down", func() bool { return g.Ready() != nil && g.State() == Down })
	both("c") // the queue outlives its gateway's blips
	px.Refuse(false)
	eventually(t, "c", func() bool { return len(s.unique()) == 6 })
	equal(t, "delivered", []string{"a", "a to all", "b", "b to all", "c", "c to all"}, s.unique())
	shut(t, g.Close)
	if err := send(t, p, o.Gateway(g.Queue()), "d"); !errors.Is(err, ErrUnroutable) {
		t.Errorf("to a closed gateway: %v, want that its queue is gone", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	equal(t, "ups", []bool{true, false, false}, s.ups)
	equal(t, "downs", 2, len(s.downs))
	for _, err := range s.downs {
		var lib *amqp.Error
		if !errors.Is(err, ErrUnavailable) || errors.As(err, &lib) {
			t.Errorf("down with %#v", err)
		}
	}
}

func TestControlIsSharedByCompetitors(t *testing.T) {
	o := options(t, Quorum)
	p := publisher(t, o)
	takers := []*taker{{}, {}}
	for _, k := range takers {
		c, err := NewControlConsumer(o, k.Deliver)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { shut(t, c.Close) })
		eventually(t, "up", func() bool { return c.Ready() == nil && c.State() == Up })
	}
	for i := range 20 {
		if err := send(t, p, o.Beats(), strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "each exactly once", func() bool { return len(takers[0].got())+len(takers[1].got()) == 20 })
	if len(takers[0].got()) == 0 || len(takers[1].got()) == 0 {
		t.Error("one of two competitors got everything")
	}
}

func TestControlPassesOverWhoStandsStill(t *testing.T) {
	o := options(t, Quorum)
	p := publisher(t, o)
	still, end := make(chan struct{}, 100), make(chan struct{})
	stuck, err := NewControlConsumer(o, func([]byte) { still <- struct{}{}; <-end })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(end); shut(t, stuck.Close) })
	eventually(t, "up", func() bool { return stuck.Ready() == nil && stuck.State() == Up })
	if err := send(t, p, o.Beats(), "kept"); err != nil {
		t.Fatal(err)
	}
	<-still
	var k taker
	c, err := NewControlConsumer(o, k.Deliver)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, c.Close) })
	eventually(t, "up", func() bool { return c.Ready() == nil && c.State() == Up })
	for i := range 20 {
		if err := send(t, p, o.Beats(), strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all of the others", func() bool { return len(k.got()) == 20 })
}

func TestBrokerComesLate(t *testing.T) {
	o := options(t, Quorum)
	proxied, px := through(t, o, true)
	proxied.Patience = 100 * time.Millisecond
	p := publisher(t, proxied)
	outcome := make(chan error, 1)
	if err := p.Publish(o.In(0), []byte("early"), func(err error) { outcome <- err }); err != nil {
		t.Fatalf("at first: %v", err)
	}
	eventually(t, "impatience", func() bool {
		return errors.Is(p.Publish(o.In(0), []byte("late"), nil), ErrUnavailable)
	})
	if err := p.Ready(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("ready: %v", err)
	}
	px.Refuse(false)
	select {
	case err := <-outcome:
		if err != nil {
			t.Errorf("early: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("no outcome")
	}
	if err := send(t, p, o.In(0), "again"); err != nil {
		t.Error(err)
	}
}

func TestStalledLineFillsTheWindowAndHeals(t *testing.T) {
	o := options(t, Classic)
	proxied, px := through(t, o, false)
	proxied.Patience, proxied.WriteTimeout, proxied.WindowBytes, proxied.MaxBody = patience, 300*time.Millisecond, 16<<20, 64<<10
	p := publisher(t, proxied)
	if err := send(t, p, o.In(0), "first"); err != nil {
		t.Fatal(err)
	}
	px.Pause()
	body := make([]byte, 64<<10)
	var sent int
	for {
		if err := p.Publish(o.In(0), body, nil); err != nil {
			if !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
			break
		}
		sent++
	}
	equal(t, "accepted", 256, sent)
	// The write's deadline ends the connection; the next ones hang in the handshake.
	eventually(t, "down", func() bool { return p.Ready() != nil })
	px.Resume()
	eventually(t, "confirmed", func() bool { return p.Pending() == 0 })
	if n := waiting(t, o, o.InQueue(0)); n < sent+1 {
		t.Errorf("%d of %d messages are there", n, sent+1)
	}
}

func TestUnknownExchangeHarmsOnlyItself(t *testing.T) {
	o := options(t, Quorum)
	p := publisher(t, o)
	outcome := make(chan error, 3)
	for _, to := range []Target{o.In(0), {Exchange: "no such exchange"}, o.In(1)} {
		if err := p.Publish(to, []byte("x"), func(err error) { outcome <- err }); err != nil {
			t.Fatal(err)
		}
	}
	var got []error
	for range 3 {
		select {
		case err := <-outcome:
			got = append(got, err)
		case <-time.After(patience):
			t.Fatalf("no outcome after %v", got)
		}
	}
	equal(t, "outcomes", "<nil> "+ErrUnroutable.Error()+" <nil>", fmt.Sprint(got[0], " ", got[1], " ", got[2]))
}

func TestWrongQueueTypeIsReported(t *testing.T) {
	o := options(t, Classic)
	p := publisher(t, o)
	eventually(t, "declared", func() bool { return p.Ready() == nil })
	o.QueueType = Quorum
	other, err := NewPublisher(o)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, other.Close)
	eventually(t, "reason", func() bool {
		err := other.Ready()
		return err != nil && bytes.Contains([]byte(err.Error()), []byte("PRECONDITION_FAILED"))
	})
}

func TestCloseFlushesToTheBroker(t *testing.T) {
	eachType(t, func(t *testing.T, o Options) {
		p, err := NewPublisher(o)
		if err != nil {
			t.Fatal(err)
		}
		b := NewBatcher(p, o.In(0), join, BatchOptions{Records: 10})
		var confirmed int // from one goroutine, read after Close
		for i := range 1000 {
			if err := b.Add([]byte(strconv.Itoa(i)), func(err error) {
				if err == nil {
					confirmed++
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
		shut(t, p.Close)
		equal(t, "confirmed", 1000, confirmed)
		equal(t, "messages", 100, waiting(t, o, o.InQueue(0)))
	})
}

func BenchmarkPublish(b *testing.B) {
	for _, records := range []int{1, 16, 64} {
		for _, qt := range []string{Classic, Quorum} {
			b.Run(fmt.Sprintf("%s/%d", qt, records), func(b *testing.B) { benchmark(b, qt, records) })
		}
	}
}

func benchmark(b *testing.B, qt string, records int) {
	o := options(b, qt)
	p := publisher(b, o)
	for p.Ready() != nil {
		<-time.After(time.Millisecond)
	}
	bt := NewBatcher(p, o.In(0), join, BatchOptions{Records: records, Pending: 8192})
	record := make([]byte, 200)
	var failed int
	done := func(err error) {
		if err != nil {
			failed++
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for errors.Is(bt.Add(record, done), ErrFull) {
			<-time.After(100 * time.Microsecond)
		}
	}
	for p.Pending() > 0 {
		<-time.After(100 * time.Microsecond)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	if failed > 0 {
		b.Errorf("%d failed", failed)
	}
}
