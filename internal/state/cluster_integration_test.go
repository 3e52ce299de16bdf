//go:build integration

package state_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/state"
	"chat-service/internal/test/testkit"
)

// TestOneAddressOfAClusterIsEnough: verbs whose keys lie on other nodes work, whether or not the settings were checked first.
func TestOneAddressOfAClusterIsEnough(t *testing.T) {
	t.Parallel()
	nodes := testkit.StartRedisCluster(t, 3)
	for name, first := range map[string]func(s *state.State) error{
		"checked at the start": func(s *state.State) error { _, err := s.Check(t.Context()); return err },
		"reachable only later": func(*state.State) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, func(o *state.Options) { o.Addrs = []string{nodes[1].Addr} })
			must(t, first(s))
			ctx := t.Context()
			testkit.Eventually(t, 10*time.Second, func() (bool, string) {
				for u := range chat.UserID(30) { // over all nodes
					if _, _, err := register(ctx, s, socket(u+1, "s", "a", chat.SocketID(u+1))); err != nil {
						return false, err.Error()
					}
				}
				return true, ""
			})
			must(t, s.BeatGateway(ctx, "a", time.Minute))
			users := []chat.UserID{1, 2, 3, 4, 5, 6, 7, 8, 9}
			ps, err := s.Online(ctx, users)
			must(t, err)
			for i, p := range ps {
				if !p.Known || !p.Online {
					t.Errorf("user %d: %+v", users[i], p)
				}
			}
		})
	}
	s := open(t, func(o *state.Options) { o.Addrs = []string{nodes[0].Addr} })
	l, err := s.Layout(t.Context())
	if err != nil || !l.Cluster || len(l.Shards) != 3 || l.Bare != 0 {
		t.Fatalf("layout %+v, %v", l, err)
	}
	nodes[2].Kill()
	testkit.Eventually(t, 20*time.Second, func() (bool, string) {
		l, err := s.Layout(t.Context())
		if err != nil {
			return false, err.Error()
		}
		var down []string
		for _, sh := range l.Shards {
			down = append(down, sh.Down...)
		}
		return l.Bare >= 5461 && strings.Join(down, "") == nodes[2].Addr, strings.Join(down, " ")
	})
	if said := admitted(t, s); !strings.Contains(said, "slots of the cluster have no living master") {
		t.Errorf("a start with a lost master says:\n%s", said)
	}
}

// admitted is what the log says of Redis when a process starts, which nothing here may keep it from.
func admitted(t *testing.T, s *state.State) string {
	t.Helper()
	var log bytes.Buffer
	must(t, s.Admit(t.Context(), slog.New(slog.NewTextHandler(&log, nil))))
	return log.String()
}

// TestLayoutOfOneServer: it is a master, or a replica that refuses writes.
func TestLayoutOfOneServer(t *testing.T) {
	t.Parallel()
	addr, direct := private(t)
	s := open(t, func(o *state.Options) { o.Addrs = []string{addr} })
	if l, err := s.Layout(t.Context()); err != nil || l.Cluster || l.Role != "master" {
		t.Errorf("layout %+v, %v", l, err)
	}
	do(t, direct, "REPLICAOF", "127.0.0.1", "1")
	if l, err := s.Layout(t.Context()); err != nil || l.Role != "slave" {
		t.Errorf("layout %+v, %v", l, err)
	}
	if said := admitted(t, s); !strings.Contains(said, "the server is a replica and refuses writes") {
		t.Errorf("a start with a replica says:\n%s", said)
	}
}

// TestForget: all keys of the prefix go, on every node, and no others.
func TestForget(t *testing.T) {
	t.Parallel()
	nodes := testkit.StartRedisCluster(t, 3)
	s := open(t, func(o *state.Options) { o.Addrs = []string{nodes[0].Addr} })
	other := open(t, func(o *state.Options) { o.Addrs, o.Prefix = []string{nodes[0].Addr}, "another" })
	ctx := t.Context()
	for _, one := range []*state.State{s, other} {
		_, err := one.Check(ctx)
		must(t, err)
	}
	must(t, other.BeatGateway(ctx, "b", time.Minute))
	must(t, s.BeatGateway(ctx, "a", time.Minute))
	for u := range chat.UserID(30) {
		if _, _, err := register(ctx, s, socket(u+1, "s", "a", chat.SocketID(u+1))); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Forget(ctx); err != nil || n < 30 {
		t.Errorf("forgot %d keys, %v", n, err)
	}
	if n, err := s.Forget(ctx); err != nil || n != 0 {
		t.Errorf("%d keys are left, %v", n, err)
	}
	if live, _, err := other.Leases(ctx); err != nil || len(live) != 1 {
		t.Errorf("another installation's gateways: %v, %v", live, err)
	}
}
