package broker

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// window plays the broker's side: an ack for a delivery that is not outstanding kills the channel.
type window struct {
	next, sends int
	held        []uint64
	err         error
}

func (w *window) deliver() uint64 {
	w.next++
	w.held = append(w.held, uint64(w.next))
	return uint64(w.next)
}

func (w *window) Ack(tag uint64, multiple bool) error {
	w.sends++
	i := slices.Index(w.held, tag)
	switch {
	case i < 0:
		w.err = fmt.Errorf("unknown delivery tag %d", tag)
	case multiple:
		w.held = slices.Delete(w.held, 0, i+1)
	default:
		w.held = slices.Delete(w.held, i, i+1)
	}
	return w.err
}

func (w *window) IsClosed() bool { return false }

func TestAckerAcksExactlyWhatIsDone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &window{}
		a := newAcker(w)
		defer a.close()
		a.armed = true // ticks come from here only
		var working, done []uint64
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1, 2:
				working = append(working, w.deliver())
			case 3, 4:
				if len(working) > 0 {
					i := 0
					if rapid.Bool().Draw(t, "out of order") {
						i = rapid.IntRange(0, len(working)-1).Draw(t, "which")
					}
					a.ack(working[i])
					done = append(done, working[i])
					working = slices.Delete(working, i, i+1)
				}
				if len(done) > 0 && rapid.Bool().Draw(t, "twice") {
					a.ack(done[0])
				}
			case 5:
				a.tick()
				a.armed = true
				if !slices.Equal(w.held, working) {
					t.Fatalf("broker holds %v, in work are %v", w.held, working)
				}
			}
			if w.err != nil {
				t.Fatal(w.err)
			}
			for _, tag := range working {
				if !slices.Contains(w.held, tag) {
					t.Fatalf("%d was acked and is not done", tag)
				}
			}
		}
	})
}

func TestAckerCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &window{}
		a := newAcker(w)
		for range ackBatch - 1 {
			a.ack(w.deliver())
		}
		sends := func(when string, want int) {
			t.Helper()
			a.mu.Lock()
			defer a.mu.Unlock()
			equal(t, "sends "+when, want, w.sends)
		}
		sends("before the delay", 0)
		time.Sleep(ackDelay)
		synctest.Wait()
		sends("after the delay", 1)
		for range ackBatch {
			a.ack(w.deliver())
		}
		sends("of a full batch", 2)
		a.ack(w.deliver())
		a.close()
		sends("with close", 3)
		a.ack(w.deliver())
		time.Sleep(ackDelay)
		synctest.Wait()
		sends("after close", 3)
	})
}
