package gateway

import (
	"slices"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/gateway/hub"
	"chat-service/internal/protocol"
)

// standing is a live socket with nothing to write, of a gateway whose writers aren't started.
func standing(g *Gateway, id chat.SocketID) *socket {
	s := idle(g, id)
	s.writing = false
	return s
}

// scheduled lists the sockets that wait for a writer, and forgets them.
func scheduled(g *Gateway) (ids []chat.SocketID) {
	for _, w := range g.writers.ws {
		for _, s := range w.todo {
			ids = append(ids, s.id)
		}
		w.todo = nil
	}
	slices.Sort(ids)
	return ids
}

func sendLater(s *socket) {
	var sw hub.Sweep
	sw.PutLater(s, hub.Text([]byte("{}")))
	s.g.writers.flush(&sw)
}

func crowdOf(t *testing.T, sockets int) (g *Gateway, all []*socket) {
	t.Helper()
	g, err := New(Options{ID: "g1.boot", Partitions: 4, Bus: &fakeBus{}, Verifier: verifier{}, Frames: protocol.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range sockets {
		all = append(all, standing(g, chat.SocketID(i+1)))
	}
	return g, all
}

// TestCrowdIsWrittenInTurns: each socket has its turn once in a round, with all that came meanwhile; no turn has more than its part.
func TestCrowdIsWrittenInTurns(t *testing.T) {
	g, all := crowdOf(t, 200)
	var sw hub.Sweep
	for range 3 {
		for _, s := range all {
			sw.PutLater(s, hub.Text([]byte("{}")))
		}
		g.writers.flush(&sw)
	}
	if got := scheduled(g); len(got) != 0 {
		t.Fatalf("%d are written to at once", len(got))
	}
	var told []chat.SocketID
	for turn := range 10 {
		left := g.writers.crowd.Next()
		ids := scheduled(g)
		if len(ids) > 2*len(all)/10 {
			t.Errorf("turn %d has %d sockets", turn, len(ids))
		}
		told = append(told, ids...)
		if left != (turn < 9) {
			t.Errorf("after turn %d some are left: %v", turn, left)
		}
	}
	slices.Sort(told)
	if len(slices.Compact(told)) != len(all) {
		t.Errorf("%d of %d sockets had a turn", len(told), len(all))
	}
	for _, s := range all {
		if _, n := s.take(nil); n != 3 {
			t.Fatalf("socket %d has %d frames", s.id, n)
		}
	}
}

// TestOthersTakeTheCrowdsFramesAlong: what doesn't wait takes what waits before it along, at once; the turn that comes then is passed over.
func TestOthersTakeTheCrowdsFramesAlong(t *testing.T) {
	for name, push := range map[string]func(s *socket){
		"a frame": func(s *socket) { s.send(hub.Text([]byte("{}"))) },
		"a close": func(s *socket) { s.close(protocol.CloseRestart, 0) },
	} {
		g, all := crowdOf(t, 2)
		s := all[0]
		sendLater(s)
		sendLater(all[1])
		push(s)
		push(s)
		if got := scheduled(g); !slices.Equal(got, []chat.SocketID{s.id}) {
			t.Errorf("%s: %v are written to, want socket %d once", name, got, s.id)
		}
		for g.writers.crowd.Next() {
		}
		if got := scheduled(g); !slices.Equal(got, []chat.SocketID{all[1].id}) {
			t.Errorf("%s: %v have a turn", name, got)
		}
		if _, n := s.take(nil); n < 2 || n > 3 {
			t.Errorf("%s: %d frames", name, n)
		}
		sendLater(all[1]) // while it is being written to
		if g.writers.crowd.Next() || len(scheduled(g)) != 0 {
			t.Errorf("%s: a socket that is being written to has a turn", name)
		}
	}
}

// TestCrowdEndsWithItsWriters: what waits when they end is written.
func TestCrowdEndsWithItsWriters(t *testing.T) {
	g, all := crowdOf(t, 1)
	near, far := loopback(t)
	defer func() { _, _ = near.Close(), far.Close() }()
	all[0].conn = near
	all[0].raw, _ = near.SyscallConn()
	g.writers.start()
	sendLater(all[0])
	g.writers.close()
	b := make([]byte, 16)
	if n, err := far.Read(b); err != nil || string(b[2:n]) != "{}" {
		t.Errorf("%q, %v", b[:n], err)
	}
}
