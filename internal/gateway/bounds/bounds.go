package bounds

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"chat-service/internal/chat"
)

// Refusal is why a socket may not be opened, or stay.
type Refusal struct {
	Limit  string // the key in limits by which it is counted; "pace": gateway.sockets_per_second
	Detail string
	Wait   time.Duration // when to try again, at the earliest
}

// soon is when those should come back who are refused for a number of sockets: it falls when a handshake is over.
const soon = 5 * time.Second

// The refusals. Those of handshakes are answered before the upgrade, the others close a socket.
var (
	ofAddress   = Refusal{"sockets_per_address", "this address has as many sockets here as it may", soon}
	strangers   = Refusal{"unauthenticated_sockets", "as many sockets as may be wait for their token", soon}
	strangersAt = Refusal{"unauthenticated_per_address", "as many sockets of this address as may be wait for their token", soon}
	failures    = Refusal{"handshake_failures_per_minute", "too many sockets of this address brought no valid token", 0}
	connects    = Refusal{"connects_per_minute", "this user opens too many sockets", 0}
	pace        = Refusal{"pace", "too many sockets are being opened at once", time.Second}
	ofUser      = Refusal{"sockets_per_user", "this user has as many sockets as they may", 0}
)

// BeforeUpgrade lists the limits by which handshakes are refused.
func BeforeUpgrade() []string {
	return []string{ofAddress.Limit, strangers.Limit, strangersAt.Limit, failures.Limit, connects.Limit, pace.Limit}
}

// remembered is how many users', addresses' and rooms' allowances are kept.
const remembered = 10_000

// Options configure Bounds. Zero turns a limit off.
type Options struct {
	Limits    chat.Limits
	PerSecond int // new sockets of all users together, with a burst of one second's worth
	Now       func() time.Time
	Metrics   *Metrics
}

// Bounds counts. Use New.
type Bounds struct {
	l     chat.Limits
	pacer *rate.Limiter // nil: off
	now   func() time.Time
	m     *Metrics
	rooms rooms

	mu        sync.Mutex
	strangers int
	addresses map[netip.Addr]*address
	users     map[chat.UserID]*User
	failures  *simplelru.LRU[netip.Addr, time.Time] // up to when the allowance is used
	connects  *simplelru.LRU[chat.UserID, time.Time]
	barred    *simplelru.LRU[chat.UserID, time.Time]
	idle      *simplelru.LRU[chat.UserID, *User] // without a socket; their allowance of messages isn't whole again
}

// address is what an address holds now.
type address struct {
	key                netip.Addr
	sockets, strangers int
}

// User is what a user holds now, over all their sockets here.
type User struct {
	// Used is up to when their allowance of messages is used, in Unix nanoseconds.
	Used atomic.Int64
	// Others is the same of their other frames.
	Others atomic.Int64

	id      chat.UserID
	sockets int

	mu      sync.Mutex
	refused Tally
}

// Place is what one socket holds, from its handshake to its end. Its methods are called by one goroutine at a time.
type Place struct {
	User *User // whose it is; nil before that is known

	at       *address
	stranger bool // counted among those without a valid token
	charged  bool // the address paid for a handshake without one
}

// New makes bounds that hold nothing.
func New(o Options) *Bounds {
	b := &Bounds{l: o.Limits, now: o.Now, m: o.Metrics, addresses: map[netip.Addr]*address{}, users: map[chat.UserID]*User{}}
	if o.PerSecond > 0 {
		b.pacer = rate.NewLimiter(rate.Limit(o.PerSecond), o.PerSecond)
	}
	b.failures, _ = simplelru.NewLRU[netip.Addr, time.Time](remembered, nil) // only a size below 1 is refused
	b.rooms.reactions, _ = simplelru.NewLRU[reacts, time.Time](remembered, nil)
	b.connects, _ = simplelru.NewLRU[chat.UserID, time.Time](remembered, nil)
	b.barred, _ = simplelru.NewLRU[chat.UserID, time.Time](remembered, nil)
	b.idle, _ = simplelru.NewLRU[chat.UserID, *User](remembered, nil)
	return b
}

// Enter gives a socket of an address its place. user is 0 if the handshake brought no valid token; expired says that it brought one
// that was valid: that is no attack. With a refusal there is no place.
func (b *Bounds) Enter(from netip.Addr, user chat.UserID, expired bool) (Place, *Refusal) {
	key := chat.AddressKey(from)
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.addresses[key]
	if a == nil {
		a = &address{key: key}
	}
	p := Place{at: a, stranger: user == 0, charged: user == 0 && !expired}
	var why *Refusal
	switch {
	case full(b.l.SocketsPerAddress, a.sockets):
		why = &ofAddress
	case user != 0:
		why = b.connect(user)
	case full(b.l.Unauthenticated, b.strangers):
		why = &strangers
	case full(b.l.UnauthPerAddress, a.strangers):
		why = &strangersAt
	case p.charged:
		why = b.charge(key)
	}
	if why != nil {
		return Place{}, why
	}
	a.sockets++
	if p.stranger {
		a.strangers++
		b.strangers++
	}
	b.addresses[key] = a
	return p, nil
}

func full(limit, n int) bool { return limit > 0 && n >= limit }

// charge takes a handshake without a valid token from an address's allowance.
func (b *Bounds) charge(key netip.Addr) *Refusal {
	r := chat.PerMinute(b.l.HandshakeFailures)
	if r.Off() {
		return nil
	}
	used, _ := b.failures.Get(key)
	used, wait := r.Take(used, b.now(), 1)
	b.failures.Add(key, used)
	return failures.in(wait)
}

// connect takes a new socket from its user's allowance, and then from that of all users: one of them alone can't use that up.
func (b *Bounds) connect(user chat.UserID) *Refusal {
	if until, ok := b.barred.Get(user); ok && until.After(b.now()) {
		return connects.in(until.Sub(b.now()))
	}
	if r := chat.PerMinute(b.l.ConnectsPerMinute); !r.Off() {
		used, _ := b.connects.Get(user)
		used, wait := r.Take(used, b.now(), 1)
		b.connects.Add(user, used)
		if wait > 0 {
			return connects.in(wait)
		}
	}
	if b.pacer != nil && !b.pacer.AllowN(b.now(), 1) {
		return &pace
	}
	return nil
}

// in is the refusal with a wait; nil without one.
func (r Refusal) in(wait time.Duration) *Refusal {
	if wait <= 0 {
		return nil
	}
	r.Wait = wait
	return &r
}

// Show says that a valid token has come after the handshake. With a refusal the place stays as it was.
func (b *Bounds) Show(p *Place, user chat.UserID) *Refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	if why := b.connect(user); why != nil {
		return b.counted(why)
	}
	b.known(p)
	if p.charged {
		if used, ok := b.failures.Get(p.at.key); ok {
			b.failures.Add(p.at.key, used.Add(-chat.PerMinute(b.l.HandshakeFailures).Step()))
		}
		p.charged = false
	}
	return nil
}

// counted counts a refusal that closes a socket.
func (b *Bounds) counted(why *Refusal) *Refusal {
	b.m.Limited.WithLabelValues(why.Limit).Inc()
	return why
}

// known takes a place out of those without a valid token.
func (b *Bounds) known(p *Place) {
	if p.stranger {
		p.at.strangers--
		b.strangers--
		p.stranger = false
	}
}

// alone is how many times what a user may hold they may hold here. The workers judge it exactly, over all gateways, and have silent
// sockets give way first; without Redis they can't, and this is the bound.
const alone = 2

// Identify binds a place to its user, unless they have too many sockets here.
func (b *Bounds) Identify(p *Place, user chat.UserID) *Refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.users[user]
	if u == nil {
		if u, _ = b.idle.Get(user); u == nil {
			u = &User{id: user}
		}
		b.idle.Remove(user)
	}
	if full(alone*b.l.SocketsPerUser, u.sockets) {
		return b.counted(&ofUser)
	}
	u.sockets++
	b.users[user] = u
	p.User = u
	return nil
}

// Refused counts a refused message, or another frame, of the place's user; true means that there were too many lately, by all their
// sockets.
func (b *Bounds) Refused(p *Place, message bool) bool {
	if message {
		b.m.Messages.Inc()
	} else {
		b.m.Others.Inc()
	}
	u := p.User
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.refused.Over(b.now().UnixMilli(), RefusedSpan, RefusedTimes*max(b.l.UserMessageBurst, 1))
}

// Bar keeps a place's user from opening sockets for a while: one of theirs was closed because it sent too much, and was told not to
// come back before. It returns that time.
func (b *Bounds) Bar(p *Place, wait time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.User != nil {
		b.barred.Add(p.User.id, b.now().Add(wait))
	}
	return wait
}

// Leave gives a place back; once is enough, more do nothing.
func (b *Bounds) Leave(p *Place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.at == nil {
		return
	}
	b.known(p)
	if p.at.sockets--; p.at.sockets == 0 {
		delete(b.addresses, p.at.key)
	}
	if u := p.User; u != nil {
		if u.sockets--; u.sockets == 0 {
			delete(b.users, u.id)
			if max(u.Used.Load(), u.Others.Load()) > b.now().UnixNano() { // else it would be whole again with each new socket
				b.idle.Add(u.id, u)
			}
		}
	}
	*p = Place{}
}
