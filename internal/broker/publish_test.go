package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"
)

func join(dst []byte, records [][]byte) []byte {
	return append(dst, bytes.Join(records, []byte(","))...)
}

type fakeConfirm struct {
	done chan struct{}
	ack  bool
}

func (c *fakeConfirm) Done() <-chan struct{} { return c.done }

func (c *fakeConfirm) Acked() bool {
	select {
	case <-c.done:
		return c.ack
	default:
		return false
	}
}

func (c *fakeConfirm) resolve(ack bool) {
	c.ack = ack
	close(c.done)
}

func resolved(c confirm) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// fakeSink stands for one incarnation of the publishing channel.
type fakeSink struct {
	mu       sync.Mutex
	got      []string
	ids      []string
	confirms []*fakeConfirm
	// outcome decides at once; nil leaves every message unconfirmed.
	outcome func(e *entry) (ack bool, now bool)
	back    chan amqp.Return
	closes  chan *amqp.Error
	dead    bool
	aside   func(t Target, body []byte) error // beside the others
}

func newFakeSink(outcome func(*entry) (bool, bool)) *fakeSink {
	return &fakeSink{outcome: outcome, back: make(chan amqp.Return, 256), closes: make(chan *amqp.Error, 1)}
}

func taking(*entry) (bool, bool)  { return true, true }
func silent(*entry) (bool, bool)  { return false, false }
func refuses(*entry) (bool, bool) { return false, true }

func (s *fakeSink) publish(e *entry) (confirm, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return nil, amqp.ErrClosed
	}
	s.got = append(s.got, string(e.body))
	s.ids = append(s.ids, e.id)
	c := &fakeConfirm{done: make(chan struct{})}
	s.confirms = append(s.confirms, c)
	if ack, now := s.outcome(e); now {
		c.resolve(ack)
	}
	return c, nil
}

func (s *fakeSink) beside(t Target, body []byte) error { return s.aside(t, body) }

func (s *fakeSink) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.dead
}

// cut loses the channel as the library does: confirms still pending resolve as refused.
func (s *fakeSink) cut(err *amqp.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
	for _, c := range s.confirms {
		if !resolved(c) {
			c.resolve(false)
		}
	}
	s.closes <- err
}

func (s *fakeSink) bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// rig is a publisher over fake sinks.
type rig struct {
	t *testing.T
	*Publisher
	sinks chan *fakeSink
	mu    sync.Mutex
	log   []string // outcomes in the order of the done calls
}

// newRig makes one; unless asked for quorum queues it sends from the first message on without waiting.
func newRig(t *testing.T, o Options) *rig {
	if o.QueueType == "" {
		o.QueueType = Classic
	}
	r := &rig{t: t, Publisher: newPublisher(o.WithDefaults()), sinks: make(chan *fakeSink, 16)}
	ctx, cancel := context.WithCancel(t.Context())
	r.link = &link{o: r.o, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.link.done)
		for {
			select {
			case s := <-r.sinks:
				_ = r.serve(ctx, &incarnation{sink: s, returns: s.back, closes: s.closes})
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-r.link.done
		r.finish()
	})
	return r
}

func (r *rig) connect(s *fakeSink) *fakeSink {
	r.sinks <- s
	synctest.Wait()
	return s
}

func (r *rig) done(name string) func(error) {
	return func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case err == nil:
			r.log = append(r.log, name)
		default:
			r.log = append(r.log, name+": "+strings.TrimPrefix(err.Error(), "broker: "))
		}
	}
}

func (r *rig) outcomes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.log)
}

func (r *rig) send(names ...string) {
	r.t.Helper()
	for _, n := range names {
		if err := r.Publish(Target{Key: "q"}, []byte(n), r.done(n)); err != nil {
			r.t.Fatalf("publish %s: %v", n, err)
		}
	}
}

func equal[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestBatcherSendsAtOnceOnAnIdleLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		s := r.connect(newFakeSink(taking))
		b := NewBatcher(r.Publisher, Target{Key: "q"}, join, BatchOptions{})
		before := time.Now()
		if err := b.Add([]byte("one"), r.done("one")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		equal(t, "wire", []string{"one"}, s.bodies())
		equal(t, "outcomes", []string{"one"}, r.outcomes())
		equal(t, "time passed", 0, time.Since(before))
	})
}

func TestBatcherKeepsItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		s := r.connect(newFakeSink(taking))
		b := NewBatcher(r.Publisher, Target{Key: "q"}, join, BatchOptions{Delay: 8 * time.Millisecond})
		other := NewBatcher(r.Publisher, Target{Key: "other"}, join, BatchOptions{})
		add := func(to *Batcher, names ...string) {
			for _, n := range names {
				if err := to.Add([]byte(n), nil); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		add(b, "a")
		equal(t, "after a pause", []string{"a"}, s.bodies())
		time.Sleep(time.Millisecond)
		add(b, "b", "c") // nothing is unconfirmed
		add(other, "x")
		equal(t, "right after it", []string{"a", "x"}, s.bodies())
		time.Sleep(7 * time.Millisecond)
		synctest.Wait()
		equal(t, "8 ms after a", []string{"a", "x", "b,c"}, s.bodies())
		time.Sleep(time.Minute)
		add(b, "d")
		equal(t, "after another pause", []string{"a", "x", "b,c", "d"}, s.bodies())
	})
}

// busy leaves messages unconfirmed, and an unfilled batch as sent just now.
func (r *rig) busy(bodies ...string) {
	r.send(bodies...)
	synctest.Wait()
	r.mu.Lock()
	for _, g := range r.growths {
		g.flushed = time.Now()
	}
	r.mu.Unlock()
}

func TestBatcherPacks(t *testing.T) {
	cases := []struct {
		name    string
		o       BatchOptions
		records []string
		want    []string
		after   time.Duration // 0: without waiting
	}{
		{"by count", BatchOptions{Records: 2}, []string{"a", "b", "c", "d"}, []string{"a,b", "c,d"}, 0},
		{"by bytes", BatchOptions{Bytes: 4}, []string{"aa", "bb", "cccc"}, []string{"aa,bb", "cccc"}, 0},
		{"before what would not fit", BatchOptions{Bytes: 4}, []string{"aaa", "bbbb"}, []string{"aaa", "bbbb"}, 0},
		{"a large one alone", BatchOptions{Bytes: 4}, []string{"a", "bbbbbbbb", "c"}, []string{"a", "bbbbbbbb", "c"}, 2 * time.Millisecond},
		{"by age", BatchOptions{}, []string{"a", "b", "c"}, []string{"a,b,c"}, 2 * time.Millisecond},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{})
				s := r.connect(newFakeSink(silent))
				r.busy("busy")
				b := NewBatcher(r.Publisher, Target{Key: "q"}, join, c.o)
				scratch := make([]byte, 16)
				for _, rec := range c.records {
					n := copy(scratch, rec) // reused: Add has to copy
					if err := b.Add(scratch[:n], nil); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(c.after) // virtual
				synctest.Wait()
				equal(t, "wire", c.want, s.bodies()[1:])
			})
		})
	}
}

func TestBusyLineHoldsAnUnfilledBatchUntilItsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		s := r.connect(newFakeSink(silent))
		r.busy("1", "2", "3", "4")
		b := NewBatcher(r.Publisher, Target{Key: "q"}, join, BatchOptions{})
		_ = b.Add([]byte("x"), nil)
		time.Sleep(1999 * time.Microsecond)
		synctest.Wait()
		equal(t, "messages before", 4, len(s.bodies()))
		time.Sleep(time.Microsecond)
		synctest.Wait()
		equal(t, "messages after", 5, len(s.bodies()))
	})
}

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{WindowRecords: 4, WindowBytes: 100, MaxBody: 90})
		s := r.connect(newFakeSink(silent))
		if err := r.Publish(Target{}, make([]byte, 91), nil); !errors.Is(err, ErrTooLarge) {
			t.Errorf("91 bytes: %v", err)
		}
		r.send("1", strings.Repeat("x", 90))
		if err := r.Publish(Target{}, make([]byte, 10), nil); !errors.Is(err, ErrFull) {
			t.Errorf("bytes: %v", err)
		}
		b := NewBatcher(r.Publisher, Target{}, join, BatchOptions{Pending: 1})
		if err := b.Add([]byte("3"), nil); err != nil {
			t.Errorf("third: %v", err)
		}
		if err := b.Add([]byte("4"), nil); !errors.Is(err, ErrFull) {
			t.Errorf("batcher's share: %v", err)
		}
		r.send("4")
		if err := r.Publish(Target{}, nil, nil); !errors.Is(err, ErrFull) {
			t.Errorf("records: %v", err)
		}
		synctest.Wait()
		for _, c := range s.confirms {
			c.resolve(true)
		}
		synctest.Wait()
		equal(t, "pending", 0, r.Pending())
		if err := b.Add([]byte("5"), nil); err != nil {
			t.Errorf("after the outcomes: %v", err)
		}
	})
}

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		b := NewBatcher(r.Publisher, Target{Key: "q"}, join, BatchOptions{})
		r.send("early")
		time.Sleep(r.o.Patience)
		r.send("last")
		time.Sleep(time.Millisecond)
		if err := b.Add([]byte("late"), nil); !errors.Is(err, ErrUnavailable) {
			t.Errorf("before the first connection: %v", err)
		}
		s := r.connect(newFakeSink(taking))
		equal(t, "wire", []string{"early", "last"}, s.bodies())

		r.block(true)
		r.send("blocked")
		synctest.Wait()
		equal(t, "wire while blocked", 2, len(s.bodies()))
		time.Sleep(r.o.Patience + time.Millisecond)
		if err := b.Add([]byte("late"), nil); !errors.Is(err, ErrUnavailable) {
			t.Errorf("while blocked: %v", err)
		}
		r.block(false)
		synctest.Wait()
		r.send("again")
		synctest.Wait()
		equal(t, "wire at last", []string{"early", "last", "blocked", "again"}, s.bodies())
	})
}

func TestCutRepublishesInTheOldOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Unconfirmed: 4})
		s := r.connect(newFakeSink(silent))
		r.send("1", "2", "3", "4", "5", "6")
		synctest.Wait()
		equal(t, "wire", []string{"1", "2", "3", "4"}, s.bodies())
		s.confirms[0].resolve(true)
		s.confirms[2].resolve(true) // known to be there: not sent again
		s.cut(nil)
		synctest.Wait()
		r.send("7")
		again := r.connect(newFakeSink(taking))
		equal(t, "wire of the next", []string{"2", "4", "5", "6", "7"}, again.bodies()[:5])
		equal(t, "ids", s.ids[1], again.ids[0])
		equal(t, "outcomes", []string{"1", "3", "2", "4", "5", "6", "7"}, r.outcomes())
	})
}

func TestNackIsRepeatedBeforeTheRestOfItsTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		times := 0
		s := r.connect(newFakeSink(func(e *entry) (bool, bool) {
			if string(e.body) == "a" {
				times++
				return times == 3, true
			}
			return true, true
		}))
		r.send("a")
		synctest.Wait()
		r.send("b")
		_ = r.Publish(Target{Key: "other"}, []byte("c"), r.done("c"))
		synctest.Wait()
		equal(t, "outcomes of others", []string{"c"}, r.outcomes())
		time.Sleep(nackPause * 4)
		synctest.Wait()
		equal(t, "wire", []string{"a", "c", "a", "a", "b"}, s.bodies())
		equal(t, "outcomes", []string{"c", "a", "b"}, r.outcomes())
	})
}

// RabbitMQ refuses the first message for a quorum queue that has no leader on a channel, and takes the second: the queue gets them in the
// order of the calls all the same.
func TestFirstOfATargetOnAChannelGoesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{QueueType: Quorum})
		s := r.connect(newFakeSink(silent))
		r.send("1", "2", "3")
		_ = r.Publish(Target{Key: "other"}, []byte("c"), r.done("c"))
		synctest.Wait()
		equal(t, "wire", []string{"1", "c"}, s.bodies())
		s.confirms[0].resolve(false)
		synctest.Wait()
		equal(t, "wire while it pauses", []string{"1", "c"}, s.bodies())
		time.Sleep(nackPause)
		synctest.Wait()
		equal(t, "wire after the pause", []string{"1", "c", "1"}, s.bodies())
		s.confirms[2].resolve(true)
		time.Sleep(stuck) // the other target's is older, and not confirmed
		synctest.Wait()
		equal(t, "wire with the others", []string{"1", "c", "1", "2", "3"}, s.bodies())
		r.send("4")
		synctest.Wait()
		equal(t, "wire from then on", 6, len(s.bodies()))
		s.cut(nil)
		again := r.connect(newFakeSink(silent))
		equal(t, "wire of the next channel", []string{"c", "2"}, again.bodies())
		again.cut(nil) // the first of each is lost with the channel, and what was held goes behind it
		last := r.connect(newFakeSink(taking))
		equal(t, "wire of the last", []string{"c", "2", "3", "4"}, last.bodies())
		equal(t, "outcomes", []string{"1", "c", "2", "3", "4"}, r.outcomes())
	})
}

// TestRefusedFirstsKeepTheOrder has channels refuse the first message of a target at random, take the rest, and end at random.
func TestRefusedFirstsKeepTheOrder(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 3))
			r := newRig(t, Options{Unconfirmed: 8, Patience: time.Hour, QueueType: Quorum})
			var taken, want []string
			channel := func() *fakeSink {
				first, dice := true, rand.New(rand.NewPCG(rnd.Uint64(), 5)) // the channel's own
				return r.connect(newFakeSink(func(e *entry) (ack, now bool) {
					refused := first && dice.IntN(2) == 0
					first = false
					if !refused && !slices.Contains(taken, string(e.body)) {
						taken = append(taken, string(e.body))
					}
					return !refused, refused || dice.IntN(3) > 0 // others are confirmed never: the channel ends before
				}))
			}
			s := channel()
			for i := range 120 {
				name := fmt.Sprint(i)
				want = append(want, name)
				r.send(name)
				switch rnd.IntN(6) {
				case 0:
					s.cut(nil)
					s = channel()
				case 1, 2:
					time.Sleep(time.Duration(rnd.IntN(120)) * time.Millisecond)
					synctest.Wait()
				}
			}
			s.cut(nil)
			r.connect(newFakeSink(func(e *entry) (bool, bool) {
				if !slices.Contains(taken, string(e.body)) {
					taken = append(taken, string(e.body))
				}
				return true, true
			}))
			time.Sleep(10 * time.Second)
			synctest.Wait()
			equal(t, "outcomes", len(want), len(r.outcomes()))
			equal(t, "order in the queue", want, taken)
		})
	}
}

func TestNackForEverIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		s := r.connect(newFakeSink(refuses))
		r.send("a")
		time.Sleep(time.Minute)
		synctest.Wait()
		equal(t, "tries", maxNacks, len(s.bodies()))
		equal(t, "outcomes", []string{"a: unavailable"}, r.outcomes())
	})
}

func TestReturnIsUnroutable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		var s *fakeSink
		s = newFakeSink(func(e *entry) (bool, bool) {
			if string(e.body) == "nowhere" {
				s.back <- amqp.Return{MessageId: e.id}
			}
			return true, true
		})
		r.connect(s)
		r.send("a", "nowhere", "b")
		synctest.Wait()
		equal(t, "outcomes", []string{"a", "nowhere: unroutable", "b"}, r.outcomes())
	})
}

func TestMessageThatKillsChannelsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		kill := &amqp.Error{Code: amqp.NotFound, Reason: "no exchange", Server: true, Recover: true}
		r.send("a", "bad", "b")
		for range 8 {
			var s *fakeSink
			cut := make(chan struct{})
			s = newFakeSink(func(e *entry) (bool, bool) {
				if string(e.body) == "bad" {
					close(cut)
				}
				return true, string(e.body) != "bad"
			})
			r.connect(s)
			select {
			case <-cut:
				s.cut(kill)
				synctest.Wait()
			default:
				r.send("c")
				synctest.Wait()
				equal(t, "outcomes", []string{"a", "b", "bad: unroutable", "c"}, sortedHead(r.outcomes(), 3))
				return
			}
		}
		t.Fatal("still killing channels")
	})
}

func sortedHead(s []string, n int) []string {
	slices.Sort(s[:min(n, len(s))])
	return s
}

func TestStuckQueueDoesNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		s := r.connect(newFakeSink(func(e *entry) (bool, bool) { return true, e.target.Key != "stuck" }))
		_ = r.Publish(Target{Key: "stuck"}, []byte("s"), r.done("s"))
		r.send("a", "b")
		time.Sleep(stuck)
		synctest.Wait()
		equal(t, "outcomes", []string{"a", "b"}, r.outcomes())
		s.confirms[0].resolve(true)
		synctest.Wait()
		equal(t, "outcomes", []string{"a", "b", "s"}, r.outcomes())
	})
}

func TestCloseFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		s := r.connect(newFakeSink(func(*entry) (bool, bool) { return true, true }))
		b := NewBatcher(r.Publisher, Target{Key: "q"}, join, BatchOptions{})
		for i := range 10 {
			_ = b.Add([]byte{byte('0' + i)}, r.done(fmt.Sprint(i)))
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		equal(t, "wire", "0,1,2,3,4,5,6,7,8,9", strings.Join(s.bodies(), ","))
		equal(t, "outcomes", 10, len(r.outcomes()))
		if err := b.Add([]byte("x"), nil); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.connect(newFakeSink(silent))
		b := NewBatcher(r.Publisher, Target{Key: "q"}, join, BatchOptions{})
		r.send("sent")
		_ = b.Add([]byte("packed"), r.done("packed"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := r.Close(ctx)
		if !errors.Is(err, ErrClosed) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		equal(t, "outcomes", []string{"sent: closed", "packed: closed"}, r.outcomes())
	})
}

func TestPanickingDoneHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.connect(newFakeSink(taking))
		_ = r.Publish(Target{}, nil, func(error) { panic("done") })
		r.send("a")
		synctest.Wait()
		equal(t, "outcomes", []string{"a"}, r.outcomes())
	})
}

// Random cuts, outcomes and loads: every record is done exactly once, none is missing on the wire,
// and the first appearances keep the order.
func TestRandomCuts(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			r := newRig(t, Options{Unconfirmed: 3, Patience: time.Hour, QueueType: []string{Classic, Quorum}[seed%2]})
			b := NewBatcher(r.Publisher, Target{Key: "q"}, join, BatchOptions{Records: 3})
			var all []*fakeSink
			var want []string
			var s *fakeSink
			for i := range 200 {
				name := fmt.Sprint(i)
				want = append(want, name)
				if err := b.Add([]byte(name), r.done(name)); err != nil {
					t.Fatal(err)
				}
				switch rnd.IntN(8) {
				case 0:
					if s != nil {
						s.cut(nil)
					}
					s = newFakeSink(silent)
					all = append(all, s)
					r.connect(s)
				case 1, 2, 3:
					time.Sleep(time.Duration(rnd.IntN(2000)) * time.Microsecond)
					synctest.Wait()
					if s != nil {
						for _, c := range s.confirms {
							if !resolved(c) && rnd.IntN(2) == 0 {
								c.resolve(true)
							}
						}
					}
				}
			}
			if s != nil {
				s.cut(nil)
			}
			all = append(all, r.connect(newFakeSink(taking)))
			time.Sleep(time.Second)
			synctest.Wait()
			equal(t, "outcomes", len(want), len(r.outcomes()))
			var first []string
			seen := map[string]bool{}
			for _, s := range all {
				for _, body := range s.bodies() {
					for n := range strings.SplitSeq(body, ",") {
						if !seen[n] {
							seen[n] = true
							first = append(first, n)
						}
					}
				}
			}
			equal(t, "first appearances", want, first)
		})
	}
}
