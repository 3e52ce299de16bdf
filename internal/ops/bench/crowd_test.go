package bench

import (
	"testing"
	"testing/synctest"
	"time"
)

// A repeat stands for nothing but itself: the run goes on until the message behind it has come, too.
func TestDrainWaitsForTheMessageBehindARepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd("run", 16)
		track := NewTrack(7, 0)
		m := &member{tracks: map[uint64]*Track{7: &track}}
		c.sent.Store(2)
		c.answered.Store(2)
		deliver := func(seq uint64) {
			c.take(m, frame{kind: messageFrame, room: 7, seq: seq, id: appendID(nil, "run", 0, uint32(seq), 0)}, nil)
		}
		deliver(1)
		deliver(1)
		drained := make(chan struct{})
		go func() {
			c.drain(t.Context(), time.Hour, func(answered int64) int64 { return answered })
			close(drained)
		}()
		time.Sleep(time.Second)
		select {
		case <-drained:
			t.Error("the run ended with a message on its way")
		default:
		}
		deliver(2)
		<-drained
		if got := track.End(2); got != (Tally{Repeated: 1}) {
			t.Errorf("%+v, want one repeat and nothing lost", got)
		}
	})
}
