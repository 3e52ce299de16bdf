//go:build integration

package state_test

import (
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

func route(t *testing.T, s *state.State, room chat.RoomID) chat.Route {
	t.Helper()
	rs, err := s.Routes(t.Context(), []chat.RoomID{room})
	must(t, err)
	return rs[room]
}

func settled(t *testing.T, s *state.State, room chat.RoomID, want map[chat.GatewayID]uint64) {
	t.Helper()
	testkit.Eventually(t, 10*time.Second, func() (bool, string) {
		r := route(t, s, room)
		return r.Known && cmp.Equal(want, r.Gateways), cmp.Diff(chat.Route{Known: true, Gateways: want}, r)
	})
}

func TestRouteHighestNumberWins(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	in := func(g chat.GatewayID, n uint64) { t.Helper(); must(t, s.Attach(ctx, 1, g, n)) }
	out := func(g chat.GatewayID, n uint64) { t.Helper(); must(t, s.Detach(ctx, 1, g, n)) }

	in("a", 1)
	settled(t, s, 1, map[chat.GatewayID]uint64{"a": 1})
	out("a", 3)
	in("a", 2) // republished late
	in("a", 3)
	settled(t, s, 1, map[chat.GatewayID]uint64{})
	in("a", 4)
	out("a", 3)
	in("b", 1)
	settled(t, s, 1, map[chat.GatewayID]uint64{"a": 4, "b": 1})
	in("a", 10) // as numbers, not as text
	out("a", 9)
	settled(t, s, 1, map[chat.GatewayID]uint64{"a": 10, "b": 1})
	must(t, s.DropRoute(ctx, 1, "a"))
	settled(t, s, 1, map[chat.GatewayID]uint64{"b": 1})
}

func TestMissingRouteIsUnknownAndOneCallerAsks(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, func(o *state.Options) { o.Settle = time.Hour }), t.Context()
	var asks atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			rs, err := s.Routes(ctx, []chat.RoomID{1, 2})
			if err != nil || rs[1].Known || rs[2].Known {
				t.Errorf("%+v %v", rs, err)
			}
			if rs[1].Ask {
				asks.Add(1)
			}
		})
	}
	wg.Wait()
	if asks.Load() != 1 {
		t.Errorf("%d callers were told to ask", asks.Load())
	}
	// The first gateway's answer must not pass for the whole route.
	must(t, s.Attach(ctx, 1, "a", 1))
	if r := route(t, s, 1); r.Known || r.Ask {
		t.Errorf("known before the gateways could attach: %+v", r)
	}
	must(t, s.Attach(ctx, 3, "a", 1))
	if r := route(t, s, 3); r.Known {
		t.Errorf("a route that just began is known: %+v", r)
	}
}

func TestMissingRouteSettlesEmpty(t *testing.T) {
	t.Parallel()
	s := open(t)
	if r := route(t, s, 1); r.Known || !r.Ask {
		t.Fatalf("missing: %+v", r)
	}
	settled(t, s, 1, map[chat.GatewayID]uint64{})
}

func TestRouteForgetsDetachedGatewaysInTime(t *testing.T) {
	t.Parallel()
	var prefix string
	s, ctx := open(t, func(o *state.Options) { prefix = o.Prefix }), t.Context()
	must(t, s.Attach(ctx, 1, "stays", 1))
	for i := range 200 {
		must(t, s.Detach(ctx, 1, chat.GatewayID("gw"+chat.Seq(i).String()), 7))
		must(t, s.Attach(ctx, 1, chat.GatewayID("gw"+chat.Seq(i).String()), 6)) // late: its own detach stands
	}
	settled(t, s, 1, map[chat.GatewayID]uint64{"stays": 1})
	direct, err := testkit.DialRedis(testkit.RedisAddr(t), 0)
	must(t, err)
	defer direct.Close()
	n, err := direct.Do("HLEN", prefix+":{r1}:route")
	must(t, err)
	if fields, ok := n.(int64); !ok || fields < 2 || fields > 66 {
		t.Errorf("the route has %v fields", n)
	}
}

func TestHeadsMergeByMaximumPerEpoch(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	count := func(hs ...chat.Head) { t.Helper(); must(t, s.Count(ctx, hs, nil)) }
	count(chat.Head{Room: 1, Seq: 5, Epoch: 1}, chat.Head{Room: 2, Seq: 9, Epoch: 1})
	count(chat.Head{Room: 1, Seq: 3, Epoch: 1})                                        // an older batch again
	count(chat.Head{Room: 2, Seq: 2, Epoch: 2}, chat.Head{Room: 2, Seq: 10, Epoch: 1}) // restored, then a straggler
	got, err := s.HeadsOf(ctx, []chat.RoomID{1, 2, 3})
	must(t, err)
	if d := cmp.Diff(map[chat.RoomID]chat.Seq{1: 5, 2: 2}, got); d != "" {
		t.Fatal(d)
	}
}

func text(room chat.RoomID, seq chat.Seq) chat.Message {
	return chat.Message{
		Room: room, Seq: seq, Ord: uint64(seq), Kind: chat.Text, Sender: 9, ClientMsgID: "c" + seq.String(),
		Content: "grüße " + seq.String(), CreatedAt: at,
	}
}

func TestRecentOnlyWhereWarm(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	recent := func(room chat.RoomID, epoch uint64) []chat.Message {
		t.Helper()
		ms, err := s.Recent(ctx, room, epoch, 0)
		must(t, err)
		return ms
	}
	head := func(room chat.RoomID, seq chat.Seq, epoch uint64) []chat.Head {
		return []chat.Head{{Room: room, Seq: seq, Epoch: epoch}}
	}
	must(t, s.Count(ctx, head(1, 1, 1), []chat.Message{text(1, 1)}))
	if ms := recent(1, 1); ms != nil {
		t.Fatalf("a cold room: %v", ms)
	}
	must(t, s.Warm(ctx, 1, 1, 0, []chat.Message{text(1, 1), text(1, 2)}))
	must(t, s.Count(ctx, head(1, 4, 1), []chat.Message{text(1, 3), text(1, 4), text(2, 1)}))
	must(t, s.Count(ctx, head(1, 4, 1), []chat.Message{text(1, 3), text(1, 4)})) // the batch again
	if d := cmp.Diff([]chat.Message{text(1, 1), text(1, 2), text(1, 3), text(1, 4)}, recent(1, 1)); d != "" {
		t.Fatal(d)
	}
	must(t, s.Count(ctx, head(1, 1, 2), []chat.Message{text(1, 1)}))
	must(t, s.Count(ctx, head(1, 5, 1), []chat.Message{text(1, 5)}))
	for epoch, want := range map[uint64][]chat.Message{
		1: {text(1, 1), text(1, 2), text(1, 3), text(1, 4), text(1, 5)}, 2: {text(1, 1)}, 3: nil,
	} {
		if d := cmp.Diff(want, recent(1, epoch)); d != "" {
			t.Errorf("epoch %d: %s", epoch, d)
		}
	}
}

// TestRecentKnowsOfChanges: a message that was read, or sent, before a change isn't served after it, whichever message was changed.
func TestRecentKnowsOfChanges(t *testing.T) {
	t.Parallel()
	var prefix string
	s, ctx := open(t, func(o *state.Options) { prefix = o.Prefix }), t.Context()
	recent := func(changes chat.ChangeSeq, want ...chat.Message) {
		t.Helper()
		ms, err := s.Recent(ctx, 1, 1, changes)
		must(t, err)
		if d := cmp.Diff(want, ms); d != "" {
			t.Errorf("as of %d: %s", changes, d)
		}
	}
	must(t, s.Warm(ctx, 1, 1, 0, []chat.Message{text(1, 1), text(1, 2)}))
	must(t, s.Count(ctx, []chat.Head{{Room: 1, Seq: 3, Epoch: 1}}, []chat.Message{text(1, 3)}))
	recent(0, text(1, 1), text(1, 2), text(1, 3))
	recent(1)
	must(t, s.Count(ctx, []chat.Head{{Room: 1, Seq: 4, Epoch: 1, Changes: 1}}, []chat.Message{text(1, 4)}))
	recent(1, text(1, 4)) // a hole: the next reader makes a whole list
	gone := text(1, 2)
	gone.Content, gone.State = "", &chat.State{ChangeSeq: 1, Version: 1, RecalledBy: 9, RecalledAt: at}
	must(t, s.Warm(ctx, 1, 1, 1, []chat.Message{text(1, 1), gone, text(1, 3), text(1, 4)}))
	must(t, s.Count(ctx, []chat.Head{{Room: 1, Seq: 2, Epoch: 1}}, []chat.Message{text(1, 2)})) // late
	recent(1, text(1, 1), gone, text(1, 3), text(1, 4))

	direct, err := testkit.DialRedis(testkit.RedisAddr(t), 0)
	must(t, err)
	defer direct.Close()
	before := prefix + ":{r1}:recent" // where the release before keeps them
	_, err = direct.Do("RPUSH", before, "x")
	must(t, err)
	must(t, s.Outdate(ctx, []chat.RoomID{1, 2}))
	if n, err := direct.Do("EXISTS", before); err != nil || n != int64(0) {
		t.Errorf("what the release before keeps: %v %v", n, err)
	}
}

func TestRecentIsBounded(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	var all []chat.Message
	for i := chat.Seq(1); i <= 150; i++ {
		all = append(all, text(1, i))
	}
	must(t, s.Warm(ctx, 1, 1, 0, all))
	must(t, s.Count(ctx, []chat.Head{{Room: 1, Seq: 151, Epoch: 1}}, []chat.Message{text(1, 151)}))
	got, err := s.Recent(ctx, 1, 1, 0)
	must(t, err)
	if len(got) != 100 || got[0].Seq != 52 || got[99].Seq != 151 {
		t.Fatalf("%d messages, %d … %d", len(got), got[0].Seq, got[len(got)-1].Seq)
	}
	for i, m := range got {
		if m.Seq != 52+chat.Seq(i) {
			t.Fatalf("message %d has seq %d", i, m.Seq)
		}
	}
}

func TestGenerationStays(t *testing.T) {
	t.Parallel()
	s := open(t)
	var wg sync.WaitGroup
	ids := make([]string, 20)
	for i := range ids {
		wg.Go(func() {
			id, err := s.Generation(t.Context())
			if err != nil {
				t.Error(err)
			}
			ids[i] = id
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("several generations: %v", ids)
		}
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	take := func(key string, r chat.Rate, n, elsewhere int) time.Duration {
		t.Helper()
		wait, err := s.Allow(ctx, key, r, n, elsewhere)
		must(t, err)
		return wait
	}
	hourly := chat.Rate{Limit: 1, Per: time.Hour, Burst: 3}
	granted := 0
	for range 10 {
		if wait := take("k", hourly, 1, 0); wait == 0 {
			granted++
		} else if wait > time.Hour {
			t.Fatalf("retry after %v", wait)
		}
	}
	if granted != 3 {
		t.Fatalf("granted %d, burst is 3", granted)
	}
	if wait := take("other", hourly, 1, 0); wait != 0 {
		t.Fatalf("another key waits %v", wait)
	}
	if wait := take("k", chat.Rate{}, 1, 0); wait != 0 {
		t.Fatalf("without a limit: %v", wait)
	}
	if took, wait := take("many", hourly, 9, 0), take("many", hourly, 1, 0); took != 0 || wait == 0 {
		t.Errorf("nine of three: wait %v, then %v", took, wait)
	}
	var inTime atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if wait, err := s.Allow(ctx, "race", chat.Rate{Limit: 1, Per: time.Hour, Burst: 5}, 1, 0); err != nil {
				t.Error(err)
			} else if wait == 0 {
				inTime.Add(1)
			}
		})
	}
	wg.Wait()
	if inTime.Load() != 5 {
		t.Errorf("granted %d at once, burst is 5", inTime.Load())
	}
	fast := chat.Rate{Limit: 1000, Per: time.Second, Burst: 1}
	if wait := take("fast", fast, 1, 0); wait != 0 {
		t.Fatalf("wait %v", wait)
	}
	testkit.Eventually(t, 10*time.Second, func() (bool, string) {
		return take("fast", fast, 1, 0) == 0, "no grant comes back"
	})
}

// TestAllowanceIsSharedByProcesses: what one took without asking counts for the other, up to two bursts; a question costs nothing.
func TestAllowanceIsSharedByProcesses(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	r := chat.Rate{Limit: 10, Per: time.Hour, Burst: 10}
	used, err := s.Spend(ctx, r, []chat.Taken{{Key: "a", N: 4}, {Key: "b", N: 100}, {Key: "c"}})
	must(t, err)
	for i, want := range []time.Duration{4 * r.Step(), 2 * r.Room(), 0} {
		if d := used[i] - want; d < -time.Minute || d > 0 {
			t.Errorf("%d: used for %v, want %v", i, used[i], want)
		}
	}
	if wait, err := s.Allow(ctx, "a", r, 6, 0); err != nil || wait != 0 {
		t.Errorf("the rest: wait %v, %v", wait, err)
	}
	if wait, err := s.Allow(ctx, "a", r, 1, 0); err != nil || wait < r.Step()-time.Minute {
		t.Errorf("above it: wait %v, %v", wait, err)
	}
	if wait, err := s.Allow(ctx, "d", r, 1, 10); err != nil || wait == 0 {
		t.Errorf("what was taken elsewhere doesn't count: %v, %v", wait, err)
	}
	again, err := s.Spend(ctx, r, []chat.Taken{{Key: "d"}})
	must(t, err)
	if d := again[0] - r.Room(); d < -time.Minute || d > 0 {
		t.Errorf("a refusal costs something: used for %v, want %v", again[0], r.Room())
	}
}

// TestTriesSlowDown: tries are counted before they are judged, one count for an account and a place, another one for all of
// its unknown places.
func TestTriesSlowDown(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	try := func(account, from string) time.Duration {
		t.Helper()
		wait, err := s.Try(ctx, account, from)
		must(t, err)
		return wait
	}
	var judged atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if wait, err := s.Try(ctx, "alice", "here"); err != nil {
				t.Error(err)
			} else if wait == 0 {
				judged.Add(1)
			}
		})
	}
	wg.Wait()
	if judged.Load() != 4 {
		t.Fatalf("%d of 100 tries at once were let through, want 3 free ones and the one that delays the next", judged.Load())
	}
	if d := try("alice", "here"); d <= 0 || d > time.Second {
		t.Fatalf("delay %v", d)
	}
	if try("alice", "there") != 0 || try("bob", "here") != 0 {
		t.Fatal("another place, or another account, has to wait")
	}
	must(t, s.Settle(ctx, "alice", "here", false)) // a try that nobody judged
	if d := try("alice", "here"); d != 0 {
		t.Fatalf("taken back: %v", d)
	}
	must(t, s.Settle(ctx, "alice", "here", true))
	for range chat.FreeTries {
		if d := try("alice", "here"); d != 0 {
			t.Fatalf("passed: %v", d)
		}
	}
}

// TestStrangersDontLockOut: who guesses from everywhere slows down everywhere, but not where the owner has logged in before.
func TestStrangersDontLockOut(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	_, err := s.Try(ctx, "alice", "home")
	must(t, err)
	must(t, s.Settle(ctx, "alice", "home", true))
	var wait time.Duration
	judged := 0
	for i := range 100 {
		if wait, err = s.Try(ctx, "alice", fmt.Sprint("bot", i)); err != nil {
			t.Fatal(err)
		} else if wait == 0 {
			judged++
		}
	}
	if judged > chat.FreeStrangerTries+1 || judged < chat.FreeStrangerTries {
		t.Errorf("%d of 100 guesses from as many places were judged", judged)
	}
	if wait, err = s.Try(ctx, "alice", "home"); err != nil || wait != 0 {
		t.Errorf("the owner has to wait %v: %v", wait, err)
	}
}

func TestRefund(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	r := chat.Rate{Limit: 2, Per: time.Hour, Burst: 2}
	for range 20 {
		wait, err := s.Allow(ctx, "r", r, 2, 0)
		must(t, err)
		if wait > 0 {
			t.Fatal("what was given back is not there")
		}
		must(t, s.Refund(ctx, "r", r, 2))
	}
	must(t, s.Refund(ctx, "never", r, 1))
}
