package bench

import (
	"testing"
	"testing/synctest"
	"time"
)

// incoming is a frame of this run about its lane 0, which is room 7.
func incoming(kind frameKind, seq uint64) frame {
	return frame{kind: kind, room: 7, seq: seq, id: appendID(nil, "run", 0, uint32(seq), 0)}
}

// A run goes on until every connection that hears the room has every acked message: a repeat counts for nothing, and a room may
// have more connections than its own senders.
func TestDrainWaitsForEveryDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd("run", 16)
		for range 3 {
			track := NewTrack(7, 0)
			c.members = append(c.members, &member{sock: &socket{}, tracks: map[uint64]*Track{7: &track}})
		}
		sender, peers := c.members[0], c.members[1:]
		c.lanes = []*lane{{room: 7, by: sender}}
		c.countPeers()
		c.sent.Store(2)
		for seq := range uint64(2) {
			c.take(sender, incoming(ackFrame, seq+1), nil)
		}
		drained := make(chan struct{})
		go func() {
			c.drain(t.Context(), time.Hour)
			close(drained)
		}()
		for _, d := range []struct {
			to  *member
			seq uint64
		}{{peers[0], 1}, {peers[0], 1}, {peers[0], 1}, {peers[0], 2}, {peers[1], 1}, {peers[1], 2}} {
			time.Sleep(time.Second)
			select {
			case <-drained:
				t.Fatalf("the run ended before message %d", d.seq)
			default:
			}
			c.take(d.to, incoming(messageFrame, d.seq), nil)
		}
		<-drained
		for i, m := range c.members {
			if got := m.tracks[7].End(2); got.Lost != 0 {
				t.Errorf("connection %d: %+v, want nothing lost", i, got)
			}
		}
	})
}
