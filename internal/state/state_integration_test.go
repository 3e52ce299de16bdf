//go:build integration

package state_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/state"
	"chat-service/internal/test/testkit"
)

const partitions = 16

// open gives a State of its own on the shared server. Its timeout is long, because the machine may be busy.
func open(t *testing.T, change ...func(*state.Options)) *state.State {
	t.Helper()
	o := state.Options{
		Addrs: []string{testkit.RedisAddr(t)}, Prefix: testkit.FreshPrefix(t), Partitions: partitions,
		Timeout: 5 * time.Second, Settle: time.Millisecond, Grace: time.Millisecond,
	}
	for _, f := range change {
		f(&o)
	}
	s := state.Open(o, state.NewMetrics(nil))
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var at = time.UnixMilli(1_700_000_000_000).UTC()

func socket(u chat.UserID, session string, g chat.GatewayID, id chat.SocketID) chat.Socket {
	return chat.Socket{User: u, Session: chat.SessionID(session), Gateway: g, Socket: id, Device: "phone", At: at.Add(time.Duration(id) * time.Second)}
}

// register and unregister are the verbs for one socket.
func register(ctx context.Context, s *state.State, k chat.Socket) (first bool, ofSession []chat.Socket, err error) {
	rs, err := s.Register(ctx, []chat.Socket{k})
	if err != nil {
		return false, nil, err
	}
	return rs[0].First, rs[0].OfSession, nil
}

func unregister(ctx context.Context, s *state.State, u chat.UserID, g chat.GatewayID, id chat.SocketID) (left int, err error) {
	ls, err := s.Unregister(ctx, []chat.Socket{{User: u, Gateway: g, Socket: id}})
	if err != nil {
		return 0, err
	}
	return ls[0], nil
}

func online(t *testing.T, s *state.State, u chat.UserID) bool {
	t.Helper()
	ps, err := s.Online(t.Context(), []chat.UserID{u})
	must(t, err)
	if len(ps) != 1 || ps[0].User != u || !ps[0].Known || !ps[0].LastSeen.IsZero() {
		t.Fatalf("presence of %d: %+v", u, ps)
	}
	return ps[0].Online
}

func lapse(t *testing.T, s *state.State, g chat.GatewayID) {
	t.Helper()
	must(t, s.BeatGateway(t.Context(), g, time.Millisecond))
	testkit.Eventually(t, 10*time.Second, func() (bool, string) {
		_, lapsed, err := s.Leases(t.Context())
		must(t, err)
		for _, l := range lapsed {
			if l == g {
				return true, ""
			}
		}
		return false, "the lease of " + string(g) + " lives"
	})
}

func TestReadyAndCheck(t *testing.T) {
	t.Parallel()
	s := open(t)
	must(t, s.Ready(t.Context()))
	warnings, err := s.Check(t.Context())
	if err != nil || len(warnings) != 0 {
		t.Fatalf("%v %v", warnings, err)
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	must(t, s.BeatGateway(ctx, "a", time.Minute))
	must(t, s.BeatGateway(ctx, "b", time.Minute))

	one, two, other := socket(1, "s1", "a", 1), socket(1, "s1", "b", 2), socket(1, "s2", "a", 3)
	first, list, err := register(ctx, s, one)
	must(t, err)
	if d := cmp.Diff([]chat.Socket{one}, list); !first || d != "" {
		t.Fatalf("first socket: first %v %s", first, d)
	}
	if first, _, err = register(ctx, s, one); err != nil || !first {
		t.Fatalf("the same again: first %v, %v", first, err)
	}
	first, list, err = register(ctx, s, two)
	must(t, err)
	if d := cmp.Diff([]chat.Socket{one, two}, list); first || d != "" {
		t.Fatalf("second socket: first %v %s", first, d)
	}
	first, list, err = register(ctx, s, other)
	must(t, err)
	if d := cmp.Diff([]chat.Socket{other}, list); first || d != "" {
		t.Fatalf("another session: first %v %s", first, d)
	}

	all, err := s.Sockets(ctx, 1)
	must(t, err)
	if d := cmp.Diff([]chat.Socket{one, two, other}, all); d != "" {
		t.Fatal(d)
	}
	gws, err := s.GatewaysOf(ctx, []chat.UserID{1, 2})
	must(t, err)
	if d := cmp.Diff([]chat.GatewayID{"a", "b"}, gws); d != "" {
		t.Fatal(d)
	}

	for i, k := range []chat.Socket{one, two, other} {
		left, err := unregister(ctx, s, 1, k.Gateway, k.Socket)
		must(t, err)
		if left != 2-i {
			t.Fatalf("after %d: %d left", i+1, left)
		}
	}
	if online(t, s, 1) {
		t.Fatal("online without a socket")
	}
}

func TestUnregisterComparesBeforeItDeletes(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	must(t, s.BeatGateway(ctx, "gw.boot1", time.Minute))
	must(t, s.BeatGateway(ctx, "gw.boot2", time.Minute))
	if _, _, err := register(ctx, s, socket(1, "s", "gw.boot2", 1)); err != nil {
		t.Fatal(err)
	}
	// The late end of the same session's earlier socket, with the same number, at the gateway's earlier boot.
	left, err := unregister(ctx, s, 1, "gw.boot1", 1)
	must(t, err)
	if left != 1 || !online(t, s, 1) {
		t.Fatalf("%d left, online %v: an older socket's end removed the newer one", left, online(t, s, 1))
	}
}

func TestRegisterUnregisterRaces(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	gws := []chat.GatewayID{"a", "b"}
	for _, g := range gws {
		must(t, s.BeatGateway(ctx, g, time.Minute))
	}
	var wg sync.WaitGroup
	var firsts, lasts atomic.Int64
	for i := range 200 {
		wg.Go(func() {
			k := socket(1, fmt.Sprint("s", i%7), gws[i%2], chat.SocketID(i+1))
			first, list, err := register(ctx, s, k)
			if err != nil || len(list) == 0 {
				t.Errorf("register: %v, %d of the session", err, len(list))
				return
			}
			if first {
				firsts.Add(1)
			}
			left, err := unregister(ctx, s, k.User, k.Gateway, k.Socket)
			if err != nil {
				t.Errorf("unregister: %v", err)
			}
			if left == 0 {
				lasts.Add(1)
			}
		})
	}
	wg.Wait()
	// Presence goes up exactly as often as it goes down, because both are judged in one transaction with the change.
	if firsts.Load() != lasts.Load() || firsts.Load() == 0 {
		t.Errorf("%d firsts, %d lasts", firsts.Load(), lasts.Load())
	}
	if all, err := s.Sockets(ctx, 1); err != nil || len(all) != 0 {
		t.Errorf("left over: %v %v", all, err)
	}
	for _, g := range gws {
		lapse(t, s, g)
		if gone, done, err := s.Bury(ctx, g, 10); err != nil || !done || len(gone) != 0 {
			t.Errorf("the index of %s is not empty: %v %v %v", g, gone, done, err)
		}
	}
}

func TestOnlineNeedsALivingLease(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	must(t, s.BeatGateway(ctx, "a", time.Minute))
	_, _, err := register(ctx, s, socket(1, "s", "a", 1))
	must(t, err)
	if !online(t, s, 1) || online(t, s, 2) {
		t.Fatal("1 must be online, 2 must not")
	}
	lapse(t, s, "a")
	if ps, err := s.Online(ctx, []chat.UserID{1, 2}); err != nil || ps[0].Online || ps[0].Known || !ps[1].Known {
		t.Fatalf("on a lapsed gateway that nobody has judged, and nowhere: %+v %v, want unknown and offline", ps, err)
	}
	if all, err := s.Sockets(ctx, 1); err != nil || len(all) != 0 {
		t.Fatalf("live sockets on a dead gateway: %v %v", all, err)
	}
	if gws, err := s.GatewaysOf(ctx, []chat.UserID{1}); err != nil || len(gws) != 0 {
		t.Fatalf("a dead gateway: %v %v", gws, err)
	}
	first, list, err := register(ctx, s, socket(1, "s", "b", 1))
	must(t, err)
	if !first || len(list) != 1 {
		t.Fatalf("first %v, %v: a dead gateway's socket counts", first, list)
	}
	must(t, s.BeatGateway(ctx, "a", time.Minute))
	if !online(t, s, 1) {
		t.Fatal("offline on a gateway that came back")
	}
}

func TestBlindMakesPresenceUnknown(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	must(t, s.BeatGateway(ctx, "a", time.Minute))
	_, _, err := register(ctx, s, socket(1, "s", "a", 1))
	must(t, err)
	must(t, s.OfflineLater(ctx, []chat.UserID{2}, at))
	must(t, s.Blind(ctx, time.Minute))
	ps, err := s.Online(ctx, []chat.UserID{1, 2})
	must(t, err)
	want := []chat.Presence{{User: 1, Online: true, Known: true}, {User: 2}}
	if d := cmp.Diff(want, ps); d != "" {
		t.Fatal(d)
	}
	if due, err := s.OfflineDue(ctx, []int{chat.UserID(2).Partition(partitions)}, time.Now(), 10); err != nil || len(due) != 0 {
		t.Fatalf("%v %v announced as offline while nobody can tell", due, err)
	}
	must(t, s.Blind(ctx, time.Millisecond))
	testkit.Eventually(t, 10*time.Second, func() (bool, string) {
		ps, err := s.Online(ctx, []chat.UserID{2})
		must(t, err)
		return ps[0].Known, "still blind"
	})
}

func TestLeases(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	must(t, s.BeatGateway(ctx, "b", time.Minute))
	must(t, s.BeatGateway(ctx, "a", time.Minute))
	must(t, s.BeatGateway(ctx, "c", time.Minute))
	lapse(t, s, "c")
	live, lapsed, err := s.Leases(ctx)
	must(t, err)
	if d := cmp.Diff([][]chat.GatewayID{{"a", "b"}, {"c"}}, [][]chat.GatewayID{live, lapsed}); d != "" {
		t.Fatal(d)
	}
}

func TestRegisterBeforeTheFirstBeatIsFoundByBury(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	_, _, err := register(ctx, s, socket(1, "s", "never", 1))
	must(t, err)
	testkit.Eventually(t, 10*time.Second, func() (bool, string) {
		_, lapsed, err := s.Leases(ctx)
		must(t, err)
		return len(lapsed) == 1 && lapsed[0] == "never", fmt.Sprint("lapsed: ", lapsed)
	})
	gone, done, err := s.Bury(ctx, "never", 10)
	if err != nil || !done || len(gone) != 1 {
		t.Fatalf("%v %v %v", gone, done, err)
	}
}

func TestBury(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	must(t, s.BeatGateway(ctx, "dead", time.Minute))
	must(t, s.BeatGateway(ctx, "live", time.Minute))
	for u := chat.UserID(1); u <= 25; u++ {
		_, _, err := register(ctx, s, socket(u, "s", "dead", chat.SocketID(u)))
		must(t, err)
	}
	_, _, err := register(ctx, s, socket(7, "s", "live", 1))
	must(t, err)

	if gone, done, err := s.Bury(ctx, "dead", 10); err != nil || !done || len(gone) != 0 {
		t.Fatalf("a living gateway was buried: %v %v %v", gone, done, err)
	}
	if !online(t, s, 1) {
		t.Fatal("a living gateway's socket is gone")
	}
	lapse(t, s, "dead")
	seen := map[chat.UserID]int{}
	steps := 0
	for done := false; !done; steps++ {
		var gone []chat.UserID
		gone, done, err = s.Bury(ctx, "dead", 10)
		must(t, err)
		if len(gone) > 10 {
			t.Fatalf("%d in one step", len(gone))
		}
		for _, u := range gone {
			seen[u]++
		}
		if steps > 10 {
			t.Fatal("it doesn't end")
		}
	}
	if len(seen) != 24 || seen[7] != 0 || steps != 3 {
		t.Fatalf("%d users in %d steps, user 7 %d times", len(seen), steps, seen[7])
	}
	_, lapsed, err := s.Leases(ctx)
	must(t, err)
	if len(lapsed) != 0 {
		t.Fatalf("still to bury: %v", lapsed)
	}
}

func TestABuriedGatewayThatBeatsIsRevivedOnce(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	must(t, s.BeatGateway(ctx, "a", time.Minute))
	_, _, err := register(ctx, s, socket(1, "s", "a", 1))
	must(t, err)
	lapse(t, s, "a")
	if _, _, err := s.Bury(ctx, "a", 10); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		must(t, s.BeatGateway(ctx, "a", time.Minute))
	}
	gws, err := s.Revived(ctx, 10)
	must(t, err)
	if d := cmp.Diff([]chat.GatewayID{"a"}, gws); d != "" {
		t.Fatal(d)
	}
	if gws, err = s.Revived(ctx, 10); err != nil || len(gws) != 0 {
		t.Fatalf("again: %v %v", gws, err)
	}
}

func TestOfflineDue(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	must(t, s.BeatGateway(ctx, "a", time.Minute))
	now := time.Now()
	u := chat.UserID(5)
	p := u.Partition(partitions)
	take := func(partition int, now time.Time) []chat.UserID {
		t.Helper()
		due, err := s.OfflineDue(ctx, []int{partition}, now, 10)
		must(t, err)
		return due
	}
	must(t, s.OfflineLater(ctx, []chat.UserID{u}, now.Add(time.Minute)))
	if due := take(p, now); len(due) != 0 {
		t.Fatalf("before its time: %v", due)
	}
	if due := take((p+1)%partitions, now.Add(time.Hour)); len(due) != 0 {
		t.Fatalf("in another partition: %v", due)
	}
	if due := take(p, now.Add(time.Hour)); len(due) != 1 || due[0] != u {
		t.Fatalf("when it was due: %v", due)
	}
	if due := take(p, now.Add(time.Hour)); len(due) != 0 {
		t.Fatalf("twice: %v", due)
	}

	must(t, s.OfflineLater(ctx, []chat.UserID{u}, now))
	_, _, err := register(ctx, s, socket(u, "s", "a", 1))
	must(t, err)
	_, err = unregister(ctx, s, u, "a", 1)
	must(t, err)
	if due := take(p, now); len(due) != 0 {
		t.Fatalf("after a register: %v", due)
	}

	_, _, err = register(ctx, s, socket(u, "s", "a", 2))
	must(t, err)
	must(t, s.OfflineLater(ctx, []chat.UserID{u}, now))
	if due := take(p, now); len(due) != 0 {
		t.Fatalf("with a live socket: %v", due)
	}
	_, err = unregister(ctx, s, u, "a", 2)
	must(t, err)
	if due := take(p, now); len(due) != 0 {
		t.Fatalf("what was found alive must be forgotten: %v", due)
	}
}

func TestOfflineIsClaimedOnce(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	now := time.Now()
	byPartition := map[int]int{}
	for u := chat.UserID(1); u <= 100; u++ {
		must(t, s.OfflineLater(ctx, []chat.UserID{u}, now))
		byPartition[u.Partition(partitions)]++
	}
	var mu sync.Mutex
	seen := map[chat.UserID]int{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for p := range partitions {
				due, err := s.OfflineDue(ctx, []int{p}, now, 100)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, u := range due {
					seen[u]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for u := chat.UserID(1); u <= 100; u++ {
		if seen[u] != 1 {
			t.Errorf("user %d was claimed %d times", u, seen[u])
		}
	}
}
