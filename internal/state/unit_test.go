package state

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"chat-service/internal/chat"
)

// A pool of the library's that was closed while its server was away looks once more, up to a second later, and ends then.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// TestRecentKeepsEveryField: a field of a message that the stored form forgets would be missing in what comes from Redis, and only there.
func TestRecentKeepsEveryField(t *testing.T) {
	m := chat.Message{
		Room: 1, Seq: 2, Ord: 3, Kind: chat.Text, Sender: 4, ClientMsgID: "c", Content: "x", CreatedAt: time.UnixMilli(5).UTC(),
		Data: "{}", ReplyTo: 1, State: &chat.State{
			ChangeSeq: 1, Version: 2, EditedAt: time.UnixMilli(6).UTC(), RecalledBy: 3, RecalledAt: time.UnixMilli(7).UTC(),
			PinnedBy: 4, PinnedAt: time.UnixMilli(8).UTC(), Reactions: []chat.Reaction{{Key: "k", Count: 12, Users: []chat.UserID{5, 6}}},
		},
	}
	for _, v := range []reflect.Value{reflect.ValueOf(m), reflect.ValueOf(*m.State), reflect.ValueOf(m.State.Reactions[0])} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s.%s is new: set it here, and store it under another recentVersion", v.Type(), v.Type().Field(i).Name)
			}
		}
	}
	epoch, changes, got, ok := decodeRecent(1, string(encodeRecent(7, 8, &m)))
	if d := cmp.Diff(m, got); d != "" || epoch != 7 || changes != 8 || !ok {
		t.Errorf("epoch %d, changes %d, %v (-stored +read):\n%s", epoch, changes, ok, d)
	}
}

func TestBreakerLetsOneProbeThroughPerPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{limit: 3, pause: time.Second}
		asked := 0
		call := func(o outcome) bool {
			ok, probe := b.enter(time.Now())
			if ok {
				asked++
				b.leave(time.Now(), o, probe)
			}
			return ok
		}
		for range 10 {
			call(failed)
		}
		if asked != 3 {
			t.Fatalf("asked %d times before it opened, want 3", asked)
		}
		for range 5 {
			time.Sleep(time.Second)
			for range 10 {
				call(failed)
			}
		}
		if asked != 8 {
			t.Fatalf("asked %d times, want 3 and one per pause for 5 pauses", asked)
		}
		time.Sleep(time.Second)
		for range 2 {
			if !call(answered) {
				t.Fatal("refuses after a good probe")
			}
		}
	})
}

func TestBreakerProbe(t *testing.T) {
	t.Parallel()
	b := &breaker{limit: 1, pause: time.Second}
	now := time.Now()
	b.enter(now)
	if b.leave(now, failed, false) != 1 {
		t.Fatal("not open after the failure")
	}
	later := now.Add(2 * time.Second)
	if ok, probe := b.enter(later); !ok || !probe {
		t.Fatal("no probe after the pause")
	}
	if ok, _ := b.enter(later); ok {
		t.Fatal("a second call while the probe is under way")
	}
	// A caller who gives up says nothing about the server, and must not keep the next probe from going.
	b.leave(later, unclear, true)
	if ok, probe := b.enter(later); !ok || !probe {
		t.Fatal("no probe after one that showed nothing")
	}
	b.leave(later, answered, true)
	if ok, probe := b.enter(later); !ok || probe {
		t.Fatal("not closed after a good probe")
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		want outcome
	}{
		{"caller gave up", gone, context.Canceled, unclear},
		{"timeout", t.Context(), context.DeadlineExceeded, failed},
		{"network", t.Context(), errors.New("connection reset"), failed},
		{"error reply", t.Context(), reply("WRONGTYPE Operation against a key"), answered},
	} {
		if got := judge(c.ctx, c.err); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

type reply string

func (r reply) Error() string { return string(r) }
func (r reply) RedisError()   {}

func TestRecentCodec(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := chat.Message{
			Room: 7, Seq: chat.Seq(rapid.Uint64Range(0, chat.MaxID).Draw(t, "seq")), Ord: rapid.Uint64().Draw(t, "ord"),
			Sender: chat.UserID(rapid.Uint64().Draw(t, "sender")), Kind: chat.Text,
			ClientMsgID: rapid.String().Draw(t, "id"), Content: rapid.String().Draw(t, "content"),
			CreatedAt: time.UnixMicro(rapid.Int64Range(1, 1<<52).Draw(t, "at")).UTC(),
		}
		if rapid.Bool().Draw(t, "changed") {
			m.State = &chat.State{ChangeSeq: chat.ChangeSeq(rapid.Uint64().Draw(t, "change")), Version: rapid.Uint64().Draw(t, "version")}
			for range rapid.IntRange(0, 3).Draw(t, "keys") {
				r := chat.Reaction{Key: rapid.String().Draw(t, "key"), Count: rapid.IntRange(0, 1000).Draw(t, "count")}
				for range rapid.IntRange(0, 3).Draw(t, "users") {
					r.Users = append(r.Users, chat.UserID(rapid.Uint64().Draw(t, "user")))
				}
				m.State.Reactions = append(m.State.Reactions, r)
			}
		}
		epoch, changes := rapid.Uint64().Draw(t, "epoch"), chat.ChangeSeq(rapid.Uint64().Draw(t, "changes"))
		b := encodeRecent(epoch, changes, &m)
		gotEpoch, gotChanges, got, ok := decodeRecent(7, string(b))
		if d := cmp.Diff(m, got); d != "" || !ok || gotEpoch != epoch || gotChanges != changes {
			t.Fatalf("%v %d %d, want %d %d: %s", ok, gotEpoch, gotChanges, epoch, changes, d)
		}
		if cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut"); cut < len(b) {
			if _, _, _, ok := decodeRecent(7, string(b[:cut])); ok {
				t.Fatalf("took %d of %d bytes", cut, len(b))
			}
		}
	})
}

func TestHeadScoreOrdersByEpochThenSeq(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e1, e2 := rapid.Uint64Range(0, epochMax).Draw(t, "e1"), rapid.Uint64Range(0, epochMax).Draw(t, "e2")
		s1, s2 := rapid.Uint64Range(0, 1<<seqBits-1).Draw(t, "s1"), rapid.Uint64Range(0, 1<<seqBits-1).Draw(t, "s2")
		less := e1 < e2 || e1 == e2 && s1 < s2
		if got := headScore(e1, chat.Seq(s1)) < headScore(e2, chat.Seq(s2)); got != less {
			t.Fatalf("(%d,%d) < (%d,%d) = %v", e1, s1, e2, s2, got)
		}
	})
}

func TestBounded(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, in := range []string{"alice", "ALICE", "a{b", "a}b", "a b", "ü", strings.Repeat("x", 97), strings.Repeat("x", 98), "", ":alice"} {
		out := bounded(in)
		if len(out) > maxName+1 || strings.ContainsAny(out, "{} ") {
			t.Errorf("bounded(%q) = %q", in, out)
		}
		if other, dup := seen[out]; dup {
			t.Errorf("%q and %q share %q", in, other, out)
		}
		seen[out] = in
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	g, id, ok := splitField(entryField("gw-1.b@0ot", 42))
	if g != "gw-1.b@0ot" || id != 42 || !ok {
		t.Errorf("field: %q %d %v", g, id, ok)
	}
	u, id, ok := splitMember(indexMember(9, 42))
	if u != 9 || id != 42 || !ok {
		t.Errorf("member: %d %d %v", u, id, ok)
	}
	for _, bad := range []string{"", "x@g", "7", "@"} {
		if _, _, ok := splitField(bad); ok {
			t.Errorf("field %q was taken", bad)
		}
	}
	if _, err := decodeSocket(1, "5@g", "{"); err == nil {
		t.Error("a malformed entry was taken")
	}
}

func TestDecodeRoute(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_000)
	for _, c := range []struct {
		name   string
		fields map[string]string
		want   chat.Route
	}{
		{"missing", nil, chat.Route{}},
		{"unsettled", map[string]string{"?": "1001", "a": "1+"}, chat.Route{Gateways: map[chat.GatewayID]uint64{"a": 1}}},
		{"settled", map[string]string{"?": "1000", "a": "1+", "b": "7-"}, chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"a": 1}}},
		{"empty", map[string]string{"?": "0", "b": "7-"}, chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{}}},
		{"strange", map[string]string{"?": "0", "b": "x+"}, chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{}}},
	} {
		if d := cmp.Diff(c.want, decodeRoute(c.fields, now)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// TestLayoutWarns: what is wrong with the servers' own account is named, what is right isn't.
func TestLayoutWarns(t *testing.T) {
	for _, tt := range []struct {
		name string
		of   Layout
		says []string
	}{
		{"a master", Layout{Role: "master"}, nil},
		{"a cluster", Layout{Cluster: true}, nil},
		{"three sentinels", Layout{Role: "master", Sentinels: []Sentinel{{"a", "m", nil}, {"b", "m", nil}, {"c", "m", nil}}}, nil},
		{"a replica", Layout{Role: "slave"}, []string{"set redis.host to the master"}},
		{"slots without a master", Layout{Cluster: true, Bare: 3}, []string{"3 of 16384 slots"}},
		{
			"two masters, and one sentinel that is away",
			Layout{Role: "master", Sentinels: []Sentinel{{"a", "", errors.New("away")}, {"b", "m", nil}, {"c", "n", nil}}},
			[]string{"sentinel a: away", "sentinel c names another master (n) than the first (m)"},
		},
	} {
		ws := tt.of.Warnings()
		if len(ws) != len(tt.says) {
			t.Errorf("%s: %v, want %v", tt.name, ws, tt.says)
			continue
		}
		for i, want := range tt.says {
			if !strings.Contains(ws[i], want) {
				t.Errorf("%s: %q, want %q", tt.name, ws[i], want)
			}
		}
	}
}
