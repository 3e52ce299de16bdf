//go:build integration

package state_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"chat-service/internal/chat"
	"chat-service/internal/state"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/faultproxy"
)

// value is what a counter or gauge stands at.
func value(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var d dto.Metric
	must(t, m.Write(&d))
	return d.GetCounter().GetValue() + d.GetGauge().GetValue()
}

func TestStalledRedisIsAskedOncePerPause(t *testing.T) {
	t.Parallel()
	proxy := faultproxy.New(t, testkit.RedisAddr(t))
	m := state.NewMetrics(prometheus.NewRegistry())
	s := state.Open(state.Options{
		Addrs: []string{proxy.Addr()}, Prefix: testkit.FreshPrefix(t), PoolSize: 1,
		Timeout: 50 * time.Millisecond, Failures: 3, Pause: time.Hour,
	}, m)
	t.Cleanup(func() { _ = s.Close() })
	testkit.Eventually(t, 10*time.Second, func() (bool, string) { err := s.Ready(t.Context()); return err == nil, "not ready" })

	proxy.Pause()
	for range 500 {
		if _, err := s.Routes(t.Context(), []chat.RoomID{1}); chat.KindOf(err) != chat.Unavailable {
			t.Fatalf("kind %v: %v", chat.KindOf(err), err)
		}
	}
	asked := value(t, m.Errors.WithLabelValues("routes"))
	refused := value(t, m.Refused.WithLabelValues("routes"))
	if asked != 3 || refused != 497 || value(t, m.Open) != 1 {
		t.Fatalf("asked %v times, refused %v times; want 3 and 497", asked, refused)
	}
}

func TestAVerbDialsOnce(t *testing.T) {
	t.Parallel()
	proxy := faultproxy.New(t, testkit.RedisAddr(t))
	proxy.Refuse(true)
	s := open(t, func(o *state.Options) { o.Addrs, o.Failures = []string{proxy.Addr()}, 1_000_000 })
	for i := range 5 {
		if err := s.Ready(t.Context()); chat.KindOf(err) != chat.Unavailable {
			t.Fatal(err)
		}
		if n := proxy.Accepted(); n != i+1 {
			t.Fatalf("%d connections for %d verbs", n, i+1)
		}
	}
}

func TestBreakerClosesWhenRedisIsBack(t *testing.T) {
	t.Parallel()
	proxy := faultproxy.New(t, testkit.RedisAddr(t))
	m := state.NewMetrics(nil)
	s := state.Open(state.Options{
		Addrs: []string{proxy.Addr()}, Prefix: testkit.FreshPrefix(t),
		Timeout: 100 * time.Millisecond, Failures: 2, Pause: 20 * time.Millisecond,
	}, m)
	t.Cleanup(func() { _ = s.Close() })
	for _, fault := range []func(){proxy.Pause, func() { proxy.Refuse(true); proxy.Cut() }} {
		fault()
		testkit.Eventually(t, 20*time.Second, func() (bool, string) {
			err := s.Ready(t.Context())
			return err != nil && value(t, m.Open) == 1, "the breaker stays closed"
		})
		proxy.Resume()
		testkit.Eventually(t, 20*time.Second, func() (bool, string) {
			err := s.Ready(t.Context())
			return err == nil && value(t, m.Open) == 0, "the breaker stays open"
		})
	}
}

// verbs calls each verb of s once.
func verbs(t *testing.T, s *state.State) map[string]func() error {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	return map[string]func() error{
		"ready":         func() error { return s.Ready(ctx) },
		"check":         func() error { _, err := s.Check(ctx); return err },
		"register":      func() error { _, _, err := register(ctx, s, socket(1, "s", "a", 1)); return err },
		"unregister":    func() error { _, err := unregister(ctx, s, 1, "a", 1); return err },
		"sockets":       func() error { _, err := s.Sockets(ctx, 1); return err },
		"gateways of":   func() error { _, err := s.GatewaysOf(ctx, []chat.UserID{1}); return err },
		"beat":          func() error { return s.BeatGateway(ctx, "a", time.Second) },
		"leases":        func() error { _, _, err := s.Leases(ctx); return err },
		"blind":         func() error { return s.Blind(ctx, time.Second) },
		"revived":       func() error { _, err := s.Revived(ctx, 1); return err },
		"bury":          func() error { _, _, err := s.Bury(ctx, "a", 1); return err },
		"online":        func() error { _, err := s.Online(ctx, []chat.UserID{1}); return err },
		"offline later": func() error { return s.OfflineLater(ctx, []chat.UserID{1}, now) },
		"offline due":   func() error { _, err := s.OfflineDue(ctx, []int{0, 1}, now, 1); return err },
		"attach":        func() error { return s.Attach(ctx, 1, "a", 1) },
		"detach":        func() error { return s.Detach(ctx, 1, "a", 1) },
		"routes":        func() error { _, err := s.Routes(ctx, []chat.RoomID{1}); return err },
		"drop route":    func() error { return s.DropRoute(ctx, 1, "a") },
		"count":         func() error { return s.Count(ctx, []chat.Head{{Room: 1, Seq: 1}}, nil) },
		"heads of":      func() error { _, err := s.HeadsOf(ctx, []chat.RoomID{1}); return err },
		"generation":    func() error { _, err := s.Generation(ctx); return err },
		"recent":        func() error { _, err := s.Recent(ctx, 1, 1, 0); return err },
		"warm":          func() error { return s.Warm(ctx, 1, 1, 0, []chat.Message{text(1, 1)}) },
		"outdate":       func() error { return s.Outdate(ctx, []chat.RoomID{1}) },
		"allow":         func() error { _, err := s.Allow(ctx, "k", chat.PerMinute(1), 1, 0); return err },
		"spend": func() error {
			_, err := s.Spend(ctx, chat.PerMinute(1), []chat.Taken{{Key: "k", N: 1}, {Key: "l", N: 1}})
			return err
		},
		"refund": func() error { return s.Refund(ctx, "k", chat.PerMinute(1), 1) },
		"try":    func() error { _, err := s.Try(ctx, "k", "a"); return err },
		"settle": func() error { return s.Settle(ctx, "k", "a", true) },
	}
}

func TestEveryVerbFailsAsUnavailable(t *testing.T) {
	t.Parallel()
	host, port := testkit.FreeAddr(t)
	s := state.Open(state.Options{Addrs: []string{host + ":" + port}, Failures: 1_000_000}, state.NewMetrics(nil))
	t.Cleanup(func() { _ = s.Close() })
	for verb, f := range verbs(t, s) {
		if err := f(); err == nil || chat.KindOf(err) != chat.Unavailable {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

// TestEveryVerbOnACluster has all slots on one node: that is enough for Redis to refuse what spans several of them.
func TestEveryVerbOnACluster(t *testing.T) {
	t.Parallel()
	addr, direct := private(t, "--cluster-enabled", "yes")
	do(t, direct, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	s := open(t, func(o *state.Options) { o.Addrs = []string{addr, addr} })
	testkit.Eventually(t, 20*time.Second, func() (bool, string) {
		if err := s.Ready(t.Context()); err != nil {
			return false, err.Error()
		}
		_, err := s.Generation(t.Context())
		return err == nil, fmt.Sprint(err)
	})
	must(t, s.BeatGateway(t.Context(), "dead", time.Millisecond))
	for round := range 2 { // the second finds what the first left
		for verb, f := range verbs(t, s) {
			if err := f(); err != nil {
				t.Errorf("round %d, %s: %v", round+1, verb, err)
			}
		}
	}
	// What spans many slots in one pipeline.
	var users []chat.UserID
	var rooms []chat.RoomID
	var heads []chat.Head
	for i := range 100 {
		u, r := chat.UserID(i+10), chat.RoomID(i+10)
		users, rooms, heads = append(users, u), append(rooms, r), append(heads, chat.Head{Room: r, Seq: 3, Epoch: 1})
		_, _, err := register(t.Context(), s, socket(u, "s", "dead", 1))
		must(t, err)
	}
	must(t, s.Count(t.Context(), heads, nil))
	got, err := s.HeadsOf(t.Context(), rooms)
	must(t, err)
	if len(got) != 100 {
		t.Errorf("%d heads", len(got))
	}
	rs, err := s.Routes(t.Context(), rooms)
	must(t, err)
	if len(rs) != 100 {
		t.Errorf("%d routes", len(rs))
	}
	testkit.Eventually(t, 20*time.Second, func() (bool, string) {
		ps, err := s.Online(t.Context(), users)
		must(t, err)
		return len(ps) == 100 && !ps[99].Online, "the lease lives"
	})
	gone, done, err := s.Bury(t.Context(), "dead", 1000)
	if err != nil || !done || len(gone) != 100 {
		t.Errorf("buried %d users, done %v: %v", len(gone), done, err)
	}
}

// private starts a Redis of the test's own, where everything may be done to it.
func private(t *testing.T, args ...string) (addr string, direct *testkit.Redis) {
	t.Helper()
	p := testkit.StartRedis(t, args...)
	return p.Addr, p.Direct
}

func do(t *testing.T, r *testkit.Redis, args ...string) {
	t.Helper()
	if _, err := r.Do(args...); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

func TestFlush(t *testing.T) {
	t.Parallel()
	addr, direct := private(t)
	s, ctx := open(t, func(o *state.Options) { o.Addrs = []string{addr} }), t.Context()
	before, err := s.Generation(ctx)
	must(t, err)
	must(t, s.BeatGateway(ctx, "a", time.Minute))
	_, _, err = register(ctx, s, socket(1, "s", "a", 1))
	must(t, err)
	must(t, s.Attach(ctx, 1, "a", 1))
	settled(t, s, 1, map[chat.GatewayID]uint64{"a": 1})

	do(t, direct, "FLUSHALL")
	if r := route(t, s, 1); r.Known || !r.Ask {
		t.Errorf("a flush looks like nobody: %+v", r)
	}
	after, err := s.Generation(ctx)
	must(t, err)
	if after == before {
		t.Error("the generation stayed")
	}
	if again, err := s.Generation(ctx); err != nil || again != after {
		t.Errorf("the new generation changed: %v", err)
	}
	// Scripts were not lost with the keys, but may be: the verbs load them again.
	do(t, direct, "SCRIPT", "FLUSH")
	must(t, s.BeatGateway(ctx, "a", time.Minute))
	first, list, err := register(ctx, s, socket(1, "s", "a", 1))
	must(t, err)
	if d := cmp.Diff([]chat.Socket{socket(1, "s", "a", 1)}, list); !first || d != "" {
		t.Errorf("asserted again: first %v %s", first, d)
	}
	must(t, s.Attach(ctx, 1, "a", 1))
	settled(t, s, 1, map[chat.GatewayID]uint64{"a": 1})
}

func TestCheckJudgesTheServer(t *testing.T) {
	t.Parallel()
	addr, direct := private(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	s := open(t, func(o *state.Options) { o.Addrs = []string{addr} })
	if _, err := s.Check(t.Context()); chat.KindOf(err) != chat.Invalid {
		t.Errorf("allkeys-lru: %v", err)
	}
	log := slog.New(slog.DiscardHandler)
	if err := s.Admit(t.Context(), log); chat.KindOf(err) != chat.Invalid {
		t.Errorf("allkeys-lru is admitted: %v", err)
	}
	if err := open(t, func(o *state.Options) { o.Addrs = []string{"127.0.0.1:1"} }).Admit(t.Context(), log); err != nil {
		t.Errorf("a server that is away: %v", err)
	}
	do(t, direct, "CONFIG", "SET", "maxmemory-policy", "noeviction")
	if warnings, err := s.Check(t.Context()); err != nil || len(warnings) != 0 {
		t.Errorf("noeviction: %v %v", warnings, err)
	}
	do(t, direct, "ACL", "SETUSER", "default", "-info")
	if warnings, err := s.Check(t.Context()); err != nil || len(warnings) != 1 {
		t.Errorf("INFO is forbidden: %v %v", warnings, err)
	}
}

func TestFullRedisIsUnavailable(t *testing.T) {
	t.Parallel()
	addr, direct := private(t)
	s := open(t, func(o *state.Options) { o.Addrs = []string{addr} })
	do(t, direct, "CONFIG", "SET", "maxmemory", "1")
	if err := s.Warm(t.Context(), 1, 1, 0, []chat.Message{text(1, 1)}); chat.KindOf(err) != chat.Unavailable {
		t.Errorf("%v", err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("it still answers: %v", err)
	}
}

// TestCalls follows a listener through a loss of its connection, a server that stops answering, and its end.
func TestCalls(t *testing.T) {
	t.Parallel()
	proxy, prefix := faultproxy.New(t, testkit.RedisAddr(t)), testkit.FreshPrefix(t)
	near := open(t, func(o *state.Options) { o.Prefix = prefix })
	far := open(t, func(o *state.Options) { o.Prefix, o.Addrs = prefix, []string{proxy.Addr()} })
	heard, live := make(chan bool, 100), make(chan bool, 100)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { far.AwaitCalls(ctx, func() { heard <- true }, func(can bool) { live <- can }) })
	is := func(c chan bool, want bool, what string) {
		t.Helper()
		for {
			select {
			case got := <-c:
				if got == want {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatal(what)
			}
		}
	}
	notifier := state.NewCallNotifier(near)
	must(t, notifier.Start(t.Context()))
	is(live, true, "nothing is heard from the start")
	notifier.Notify()
	is(heard, true, "a call is not heard")
	proxy.Refuse(true)
	proxy.Cut()
	is(live, false, "the loss of the connection is not noticed")
	proxy.Resume()
	is(live, true, "nothing is heard after the connection is back")
	notifier.Notify()
	is(heard, true, "a call after the connection is back is not heard")
	proxy.Pause()
	is(live, false, "a server that says nothing is trusted")
	cancel()
	done.Wait()
	must(t, notifier.Stop(t.Context()))
}

// TestRefusedLoginIsPermanent: no waiting makes a wrong password right.
func TestRefusedLoginIsPermanent(t *testing.T) {
	t.Parallel()
	addr, direct := private(t)
	do(t, direct, "CONFIG", "SET", "requirepass", "right")
	for password, want := range map[string]bool{"": true, "wrong": true, "right": false} {
		s := open(t, func(o *state.Options) { o.Addrs, o.Password = []string{addr}, password })
		testkit.Eventually(t, 10*time.Second, func() (bool, string) {
			err := s.Ready(t.Context())
			lasting := chat.AsPermanent(err)
			ok := want == (lasting != nil) && want == (err != nil)
			return ok && (!want || strings.Contains(err.Error(), addr) && strings.Contains(err.Error(), "redis.password")), fmt.Sprintf("password %q: %v", password, err)
		})
	}
	if err := open(t, func(o *state.Options) { o.Addrs = []string{"127.0.0.1:1"} }).Ready(t.Context()); err == nil || chat.AsPermanent(err) != nil {
		t.Errorf("a server that is unavailable: %v", err)
	}
}
