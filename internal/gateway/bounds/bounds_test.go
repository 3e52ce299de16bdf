package bounds

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
)

// yard is Bounds with a clock that stands still.
type yard struct {
	*Bounds
	t  *testing.T
	at time.Time
}

func newYard(t *testing.T, l chat.Limits, perSecond int) *yard {
	y := &yard{t: t, at: time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)}
	y.Bounds = New(Options{Limits: l, PerSecond: perSecond, Now: func() time.Time { return y.at }, Metrics: NewMetrics(prometheus.NewRegistry())})
	return y
}

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// enter wants a place, or the refusal by a limit.
func (y *yard) enter(from string, user chat.UserID, want string) *Place {
	y.t.Helper()
	p, why := y.Enter(addr(from), user, false)
	if got := limitOf(why); got != want {
		y.t.Fatalf("%s, user %d: refused by %q, want %q", from, user, got, want)
	}
	return &p
}

func limitOf(why *Refusal) string {
	if why == nil {
		return ""
	}
	return why.Limit
}

func TestStrangersAreBoundedByAddressAndInAll(t *testing.T) {
	y := newYard(t, chat.Limits{Unauthenticated: 5, UnauthPerAddress: 3}, 0)
	var held []*Place
	for range 3 {
		held = append(held, y.enter("9.9.9.9", 0, ""))
	}
	y.enter("9.9.9.9", 0, "unauthenticated_per_address")
	y.enter("9.9.9.9", 7, "") // whoever brings a token isn't kept out by them
	held = append(held, y.enter("1.1.1.1", 0, ""), y.enter("2001:db8::1", 0, ""))
	y.enter("2.2.2.2", 0, "unauthenticated_sockets")
	if why := y.Show(held[0], 7); why != nil {
		t.Fatal(why)
	}
	y.enter("9.9.9.9", 0, "")
	y.Leave(held[3])
	y.Leave(held[3]) // once is enough
	y.enter("2.2.2.2", 0, "")
	y.enter("3.3.3.3", 0, "unauthenticated_sockets")
}

func TestHandshakesWithoutATokenAreCharged(t *testing.T) {
	y := newYard(t, chat.Limits{HandshakeFailures: 3}, 0)
	for range 20 { // those that show one don't stay charged
		p := y.enter("9.9.9.9", 0, "")
		if why := y.Show(p, 7); why != nil {
			t.Fatal(why)
		}
		y.Leave(p)
	}
	for range 3 {
		y.Leave(y.enter("9.9.9.9", 0, ""))
	}
	if _, why := y.Enter(addr("9.9.9.9"), 0, false); limitOf(why) != "handshake_failures_per_minute" || why.Wait != 20*time.Second {
		t.Errorf("%+v, want a wait of 20 s", why)
	}
	if _, why := y.Enter(addr("9.9.9.9"), 0, true); why != nil {
		t.Errorf("an expired token was charged: %+v", why)
	}
	y.enter("8.8.8.8", 0, "")
	y.at = y.at.Add(20 * time.Second)
	y.enter("9.9.9.9", 0, "")
}

// TestOneUserDoesNotUseUpThePace: who opens sockets without end is refused by their own allowance, before everybody's.
func TestOneUserDoesNotUseUpThePace(t *testing.T) {
	y := newYard(t, chat.Limits{ConnectsPerMinute: 4}, 6)
	for range 4 {
		y.enter("9.9.9.9", 7, "")
	}
	for range 100 {
		y.enter("9.9.9.9", 7, "connects_per_minute")
		y.Leave(y.enter("9.9.9.9", 0, "")) // nor do those without a token
	}
	y.enter("1.1.1.1", 8, "")
	p := y.enter("1.1.1.1", 0, "")
	if why := y.Show(p, 9); why != nil {
		t.Fatal(why)
	}
	y.enter("1.1.1.1", 10, "pace")
	y.at = y.at.Add(time.Second)
	y.enter("1.1.1.1", 10, "")
	y.enter("9.9.9.9", 7, "connects_per_minute")
	y.at = y.at.Add(14 * time.Second)
	y.enter("9.9.9.9", 7, "")
}

func TestAddressesAndUsersHoldSoManySockets(t *testing.T) {
	y := newYard(t, chat.Limits{SocketsPerAddress: 5, SocketsPerUser: 2}, 0)
	var held []*Place
	for range 4 {
		p := y.enter("2001:db8::1", 7, "")
		if why := y.Identify(p, 7); why != nil {
			t.Fatal(why)
		}
		held = append(held, p)
	}
	p := y.enter("2001:db8::2", 7, "") // the same network
	if why := y.Identify(p, 7); limitOf(why) != "sockets_per_user" {
		t.Errorf("beyond twice what they may: %+v", why)
	}
	y.enter("2001:db8::3", 8, "sockets_per_address")
	y.Leave(held[0])
	if why := y.Identify(p, 7); why != nil {
		t.Error(why)
	}
	y.enter("2001:db8::3", 8, "")
	y.enter("2001:db8::3", 8, "sockets_per_address")
	y.enter("2001:db8:1::3", 8, "")
	y.Leave(p)
	y.enter("2001:db8::3", 8, "")
}

// TestAllowanceOutlivesTheSocket: who opens a new socket for each burst has the same allowance in all of them.
func TestAllowanceOutlivesTheSocket(t *testing.T) {
	y := newYard(t, chat.Limits{}, 0)
	used := func(add time.Duration) time.Duration {
		p := y.enter("9.9.9.9", 7, "")
		defer y.Leave(p)
		if why := y.Identify(p, 7); why != nil {
			t.Fatal(why)
		}
		u := p.User
		if add > 0 {
			u.Used.Store(y.at.Add(add).UnixNano())
		}
		return time.Unix(0, u.Used.Load()).Sub(y.at)
	}
	used(4 * time.Second)
	if d := used(0); d != 4*time.Second {
		t.Errorf("a new socket has an allowance that is used for %v, want 4s", d)
	}
	if n := len(y.users) + len(y.addresses); n != 0 {
		t.Errorf("%d users and addresses without a socket are kept as if they had one", n)
	}
}

// TestMemoryIsBounded: a flood of addresses and users leaves a bounded number of them behind.
func TestMemoryIsBounded(t *testing.T) {
	y := newYard(t, chat.Limits{HandshakeFailures: 1, ConnectsPerMinute: 1}, 0)
	for i := range 2 * remembered {
		y.Leave(y.enter(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), 0, ""))
		p := y.enter("9.9.9.9", chat.UserID(i+1), "")
		_ = y.Identify(p, chat.UserID(i+1))
		p.User.Used.Store(y.at.Add(time.Hour).UnixNano())
		y.Leave(p)
	}
	if y.failures.Len() > remembered || y.connects.Len() > remembered || y.idle.Len() > remembered || len(y.users)+len(y.addresses) > 0 {
		t.Errorf("kept: %d, %d, %d, %d, %d", y.failures.Len(), y.connects.Len(), y.idle.Len(), len(y.users), len(y.addresses))
	}
	y.enter("10.0.78.31", 0, "handshake_failures_per_minute") // one of the last ones
}

// TestFloodingUserIsBarred: too many refusals by all sockets are reported, and who was told to stay away is kept away for that long.
func TestFloodingUserIsBarred(t *testing.T) {
	y := newYard(t, chat.Limits{UserMessagesPerSecond: 1, UserMessageBurst: 2}, 0)
	p, q := y.enter("9.9.9.9", 7, ""), y.enter("9.9.9.9", 7, "")
	for _, p := range []*Place{p, q} {
		if why := y.Identify(p, 7); why != nil {
			t.Fatal(why)
		}
	}
	for i := range 10 {
		if y.Refused([]*Place{p, q}[i%2], i%3 == 0) {
			t.Errorf("refusal %d is too many", i)
		}
	}
	if !y.Refused(q, true) {
		t.Error("the eleventh isn't")
	}
	y.Bar(q, 5*time.Second)
	y.Leave(q)
	if _, why := y.Enter(addr("1.1.1.1"), 7, false); limitOf(why) != "connects_per_minute" || why.Wait != 5*time.Second {
		t.Errorf("%+v, want a wait of 5 s", why)
	}
	y.enter("9.9.9.9", 8, "")
	y.at = y.at.Add(5 * time.Second)
	y.enter("9.9.9.9", 7, "")
	y.at = y.at.Add(RefusedSpan)
	if y.Refused(p, true) {
		t.Error("old refusals still count")
	}
}
