package worker

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// TestBackMeanwhile: a user who came back while watchers got the notice of the end is shown online again.
func TestBackMeanwhile(t *testing.T) {
	w := newFakes()
	w.sockets = []chat.Socket{{User: 7, Gateway: "g1.a", Socket: 1}}
	w.due = []chat.UserID{6, 7}
	w.start(t)
	gone, back := w.next(t, envelope.Presences), w.next(t, envelope.Presences)
	if len(gone.States) != 2 || gone.States[0].Online || gone.States[1].Online {
		t.Errorf("first shown %+v", gone.States)
	}
	if len(back.States) != 1 || back.States[0].User != 7 || !back.States[0].Online {
		t.Errorf("then shown %+v, want that 7 is online", back.States)
	}
}

func TestHeartbeatWaitsForRedis(t *testing.T) {
	w := newFakes()
	k := w.start(t)
	beat := envelope.Command{Kind: envelope.Beat, Gateway: "g1.a"}
	w.mu.Lock()
	w.deaf = 2
	w.mu.Unlock()
	k.Beats(envelope.Frame(nil, [][]byte{beat.Append(nil)}))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf != 0 || w.beats != 1 {
		t.Errorf("%d heartbeats booked, %d refusals left", w.beats, w.deaf)
	}
}

func TestLapsedGatewayGoesOfflineUnlessTheBrokerWasAway(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g2.b": 1, "g9.z": 1}}
	w.lapsed, w.lapsedFor = []chat.GatewayID{"g9.z"}, true
	w.buried["g9.z"] = []chat.UserID{5}
	w.up = time.Now()
	k := w.start(t)
	eventually(t, "blind while the broker has just come back", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.blind > 0 })
	if w.store.Calls("SawUsers") != 0 {
		t.Error("judged a lease although heartbeats couldn't arrive")
	}
	w.mu.Lock()
	w.up = time.Now().Add(-time.Hour)
	w.mu.Unlock()
	if d := w.next(t, envelope.Presences); len(d.States) != 1 || d.States[0].User != 5 || d.States[0].Online {
		t.Errorf("presence %+v, want user 5 offline", d.States)
	}
	wait(t, give(k, false, sendCmd(1, 5, "a", "one")), "a send")
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.to, "g2.b") || slices.Contains(w.to, "g9.z") {
		t.Errorf("announced to %q: a lapsed gateway must not get deliveries", w.to)
	}
}

// TestBuryFailsHalfWay: the users that it found are in no list any more, so they must be shown offline now.
func TestBuryFailsHalfWay(t *testing.T) {
	w := newFakes()
	w.lapsed, w.halfBuried, w.up = []chat.GatewayID{"g9.z"}, true, time.Now().Add(-time.Hour)
	w.buried["g9.z"] = []chat.UserID{5}
	w.start(t)
	if d := w.next(t, envelope.Presences); len(d.States) != 1 || d.States[0].User != 5 || d.States[0].Online {
		t.Errorf("presence %+v, want user 5 offline", d.States)
	}
}

func TestRevivedGatewayIsAskedForEverything(t *testing.T) {
	w := newFakes()
	w.revived = []chat.GatewayID{"g9.z"}
	w.start(t)
	if d := w.next(t, envelope.Reassert); d.Room != 0 {
		t.Errorf("asked for room %d, want everything", d.Room)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.to[len(w.to)-1] != "g9.z" {
		t.Errorf("asked %q, want the gateway that is back", w.to[len(w.to)-1])
	}
}

// TestGraceOutlivesRedis: who closed their last socket just before Redis lost its data is due again, when the gateways have had the time to
// report who is connected.
func TestGraceOutlivesRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakes()
		k := w.start(t)
		time.Sleep(3 * time.Second) // it knows what Redis holds
		wait(t, give(k, false, envelope.Command{Kind: envelope.Disconnect, Gateway: "g1.a", Socket: 1, User: 5, Session: "5"}), "a disconnect")
		w.mu.Lock()
		lost := time.Now()
		w.gen = "g2"
		w.mu.Unlock()
		time.Sleep(2 * time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.later) != 2 || w.later[1].user != 5 || w.later[1].at.Before(lost.Add(5*time.Second)) {
			t.Errorf("due after the loss at %v: %+v", lost, w.later)
		}
	})
}
