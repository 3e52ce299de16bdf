package bench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func small() load {
	return load{layout: layout{name: "small", pool: "p", users: 8, rooms: 2, members: 4, stride: 4}, online: 4, window: 2}
}

func TestTrafficOfAFaultlessSystem(t *testing.T) {
	open := small()
	open.window, open.rate, open.even = 0, 200, true
	shared := load{layout: layout{name: "shared", pool: "p", users: 8, rooms: 6, members: 8, stride: 3}, online: 3, rate: 200}
	for name, l := range map[string]load{"closed loop": small(), "open loop": open, "connections in several rooms, members away": shared} {
		t.Run(name, func(t *testing.T) {
			row, err := newFakeChat(t).bench(t).traffic(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			a := row.Audit
			if bad := a.Violations(); bad != "" || a.Acked == 0 || a.Acked != a.Sent || a.Stored != a.Acked {
				t.Errorf("%q, %+v", bad, a)
			}
			if l.rooms == 2 && a.Delivered != a.Acked*3 {
				t.Errorf("%d acked, %d delivered to three others", a.Acked, a.Delivered)
			}
			for _, v := range []string{"acked_per_s", "delivered_per_s", "ack_p50_ms", "deliver_p99_ms"} {
				if row.Values[v] <= 0 {
					t.Errorf("%s is %v", v, row.Values[v])
				}
			}
		})
	}
}

// The auditor is tried on a system that breaks every promise.
func TestTrafficFindsPlantedFaults(t *testing.T) {
	once := func(n int) bool { return n == 5 }
	held := map[int][]byte{}
	for _, tt := range []struct {
		name  string
		plant func(f *fakeChat)
		want  string
	}{
		{"a loss", func(f *fakeChat) {
			f.tamper = func(n int, p []byte) [][]byte {
				if n == 5 {
					return nil
				}
				return [][]byte{p}
			}
		}, "3 not delivered"},
		{"a repeat", func(f *fakeChat) {
			f.tamper = func(n int, p []byte) [][]byte {
				if n == 5 {
					return [][]byte{p, p}
				}
				return [][]byte{p}
			}
		}, "3 delivered twice"},
		{"an exchange", func(f *fakeChat) {
			f.tamper = func(n int, p []byte) [][]byte {
				switch n {
				case 3:
					held[3] = p
					return nil
				case 4:
					return [][]byte{p, held[3]}
				}
				return [][]byte{p}
			}
		}, "3 out of order"},
		{"an ack without a row", func(f *fakeChat) { f.forget = once }, "1 acked but not stored, 1 seqs missing"},
		{"silence", func(f *fakeChat) { f.ignore = once }, "1 never answered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeChat(t)
			tt.plant(f)
			b := f.bench(t)
			b.patience = 2 * time.Second // a loaded machine may stand still for a while
			l := small()
			l.layout.rooms, l.layout.users, l.window = 1, 4, 1
			if tt.name == "silence" {
				l.window = 3 // one message is stuck, the others go on
			}
			row, err := b.traffic(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			if bad := row.Audit.Violations(); !strings.HasPrefix(bad, tt.want) {
				t.Errorf("found %q, planted %q: %+v", bad, tt.want, row.Audit)
			}
		})
	}
}

func TestTrafficNeedsTheProcesses(t *testing.T) {
	b := newFakeChat(t).bench(t)
	b.sys.Pids = func() (map[string]int, error) { return map[string]int{"gw1": 1 << 30}, nil }
	if _, err := b.traffic(t.Context(), small()); err == nil || !strings.Contains(err.Error(), "gw1") {
		t.Errorf("a process that is gone: %v", err)
	}
}

func TestIdleStormAndRoomList(t *testing.T) {
	b := newFakeChat(t).bench(t)
	for _, name := range []string{"S5", "S6", "S9"} {
		row, err := b.once(t.Context(), name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if bad := row.violations(); bad != "" {
			t.Errorf("%s: %s", name, bad)
		}
		for _, bar := range Bars() {
			if _, ok := row.Values[bar.Value]; bar.Scenario == name && !ok {
				t.Errorf("%s has no %s", name, bar.Value)
			}
		}
	}
}

// TestChanges runs S10 and S11 at a small size, on a system that keeps its promises and on one that doesn't.
func TestChanges(t *testing.T) {
	for _, drops := range []bool{false, true} {
		f := newFakeChat(t)
		f.drops = drops
		b := f.bench(t)
		if b.plan.Reactors, b.plan.Changes = 20, resyncAfter+8; drops {
			b.plan.Changes = 8 // it doesn't come so far
		}
		l := small()
		l.window = 0
		for name, run := range map[string]func() (Row, error){
			"S10": func() (Row, error) { return b.reactions(t.Context(), l) }, "S11": func() (Row, error) { return b.comeBack(t.Context()) },
		} {
			row, err := run()
			if (err != nil) != drops {
				t.Fatalf("%s, dropping: %v: %v", name, drops, err)
			}
			for _, bar := range Bars() {
				if _, ok := row.Values[bar.Value]; bar.Scenario == name && !ok && !drops {
					t.Errorf("%s has no %s", name, bar.Value)
				}
			}
		}
	}
}

func TestGrowth(t *testing.T) {
	b := newFakeChat(t).bench(t)
	b.plan.Points = []int{1, 20}
	row, err := b.once(t.Context(), "S8")
	if err != nil {
		t.Fatal(err)
	}
	if bad := row.violations(); bad != "" || row.Audit.Sent == 0 {
		t.Errorf("%s %+v", bad, row.Audit)
	}
	for _, v := range []string{"rooms_1_acked_per_s", "rooms_20_acked_per_s", "members_20_acked_per_s"} {
		if row.Values[v] <= 0 {
			t.Errorf("%s is %v", v, row.Values[v])
		}
	}
}

func TestAccountsAreKept(t *testing.T) {
	f := newFakeChat(t)
	b := f.bench(t)
	first, err := b.accounts.rooms(t.Context(), small().layout)
	if err != nil {
		t.Fatal(err)
	}
	again, err := openAccounts(t.Context(), b.accounts.path, b.api, b.say)
	if err != nil {
		t.Fatal(err)
	}
	second, err := again.rooms(t.Context(), small().layout)
	if err != nil || len(first) != 2 || first[0] != second[0] || first[1] != second[1] {
		t.Errorf("rooms %v, then %v (%v)", first, second, err)
	}
	f.mu.Lock()
	clear(f.users) // a system with fresh data
	f.mu.Unlock()
	fresh, err := openAccounts(t.Context(), b.accounts.path, b.api, b.say)
	if err != nil || fresh.kept.Tag == again.kept.Tag || len(fresh.kept.Pools) != 0 {
		t.Errorf("accounts of a forgotten system are used: %+v (%v)", fresh.kept, err)
	}
}

func TestRunKeepsRows(t *testing.T) {
	f := newFakeChat(t)
	b := f.bench(t)
	plan := b.plan
	plan.Scenarios, plan.Duration, plan.Runs = []string{"S6"}, time.Second, 2
	var kept bytes.Buffer
	rows, err := Run(t.Context(), b.sys, plan, Output{Say: b.say, Rows: &kept, Dir: t.TempDir()})
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	dec := json.NewDecoder(&kept)
	for i := range rows {
		var r Row
		if err := dec.Decode(&r); err != nil || r.Scenario != "S6" || r.Run != i+1 || r.Values["open_s"] <= 0 {
			t.Errorf("row %d: %+v, %v", i, r, err)
		}
	}
}

func TestParseProcs(t *testing.T) {
	got, err := ParseProcs("gw=1, gw=2,mysql=3")
	if err != nil || got["gw"] != 1 || got["gw2"] != 2 || got["mysql"] != 3 {
		t.Errorf("%v %v", got, err)
	}
	for _, bad := range []string{"gw", "gw=x", "=1"} {
		if _, err := ParseProcs(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
