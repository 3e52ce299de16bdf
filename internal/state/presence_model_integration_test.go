//go:build integration

package state_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chat-service/internal/chat"
	"chat-service/internal/state"
)

// presenceModel is the registry as a set of sockets and a set of gateways that live.
type presenceModel struct {
	sockets map[chat.Socket]bool
	lives   map[chat.GatewayID]bool
}

func (m *presenceModel) of(u chat.UserID) (n int) {
	for s := range m.sockets {
		if s.User == u && m.lives[s.Gateway] {
			n++
		}
	}
	return n
}

// TestPresenceModel compares presence with a model, while sockets come and go, and gateways die, are buried, and return.
func TestPresenceModel(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	round := chat.UserID(0) // each has users and gateways of its own
	rapid.Check(t, func(rt *rapid.T) {
		round++
		users := []chat.UserID{4 * round, 4*round + 1, 4*round + 2, 4*round + 3}
		gateways := []chat.GatewayID{chat.GatewayID("a" + round.String()), chat.GatewayID("b" + round.String()), chat.GatewayID("c" + round.String())}
		check := func(err error) {
			if err != nil {
				rt.Fatal(err)
			}
		}
		m := &presenceModel{sockets: map[chat.Socket]bool{}, lives: map[chat.GatewayID]bool{}}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			u, g := rapid.SampledFrom(users).Draw(rt, "user"), rapid.SampledFrom(gateways).Draw(rt, "gateway")
			k := socket(u, "s", g, chat.SocketID(rapid.IntRange(1, 2).Draw(rt, "socket")))
			switch rapid.SampledFrom([]string{"register", "register", "unregister", "beat", "die", "bury"}).Draw(rt, "what") {
			case "register":
				if !m.lives[g] {
					continue // only who lives registers
				}
				others := m.of(u)
				if m.sockets[k] {
					others--
				}
				first, mine, err := register(ctx, s, k)
				m.sockets[k] = true
				if check(err); first != (others == 0) || len(mine) != others+1 {
					rt.Fatalf("register %+v: first %v, %d sockets, want %d", k, first, len(mine), others+1)
				}
			case "unregister":
				left, err := unregister(ctx, s, u, g, k.Socket)
				delete(m.sockets, k)
				if check(err); left != m.of(u) {
					rt.Fatalf("unregister %+v: %d left, want %d", k, left, m.of(u))
				}
			case "beat":
				check(s.BeatGateway(ctx, g, time.Minute))
				m.lives[g] = true
			case "die":
				lapse(t, s, g)
				m.lives[g] = false
			case "bury":
				m.bury(rt, s, g)
			}
			m.compare(rt, s, users)
		}
	})
}

// bury removes a dead gateway's sockets, and wants those named who have none now.
func (m *presenceModel) bury(rt *rapid.T, s *state.State, g chat.GatewayID) {
	var want []chat.UserID
	for k := range m.sockets {
		if k.Gateway == g && !m.lives[g] {
			if m.of(k.User) == 0 && !slices.Contains(want, k.User) {
				want = append(want, k.User)
			}
			delete(m.sockets, k)
		}
	}
	gone, done, err := s.Bury(rt.Context(), g, 100)
	slices.Sort(gone)
	slices.Sort(want)
	if err != nil || !done || !slices.Equal(gone, want) {
		rt.Fatalf("bury %s: %v %v %v, want %v", g, gone, done, err, want)
	}
}

func (m *presenceModel) compare(rt *rapid.T, s *state.State, users []chat.UserID) {
	ps, err := s.Online(rt.Context(), users)
	if err != nil {
		rt.Fatal(err)
	}
	for i, p := range ps {
		want, doubt := m.of(users[i]) > 0, false
		for k := range m.sockets {
			doubt = doubt || k.User == users[i] && !m.lives[k.Gateway]
		}
		if p.User != users[i] || p.Online != want || p.Known != (want || !doubt) {
			rt.Fatalf("%+v, want online %v, in doubt %v", p, want, doubt)
		}
	}
}
