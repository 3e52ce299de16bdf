package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/fakestore"
	hooks "chat-service/internal/store/fakestore/webhooks"
	"chat-service/internal/webhook"
)

// fakes are in-memory stand-ins for all ports: the store's fake, which keeps the store's rules, and small ones of the
// state and of package auth.
type fakes struct {
	*clock
	store *fakestore.Store
	hooks *hooks.Store
	state *fakeState
	auth  *fakeAuth
}

func newFakes() fakes {
	c := &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	s := fakestore.New(fakestore.Options{Limits: chat.DefaultLimits(), Now: c.now})
	return fakes{
		clock: c,
		store: s,
		hooks: hooks.New(s, 1, c.now),
		state: &fakeState{cached: map[chat.RoomID][]chat.Message{}, epochs: map[chat.RoomID]uint64{}, asOf: map[chat.RoomID]chat.ChangeSeq{}, fails: map[string]int{}, asked: map[string]int{}},
		auth:  &fakeAuth{},
	}
}

func (f fakes) ports() Ports {
	return Ports{
		Accounts: f.store, People: f.store, Sessions: f.store, Identities: f.store, Keys: f.store, Wardens: f.store, Jobs: f.store, Trail: new(trail), Exports: fakeExports{f.store}, Replies: f.store, Spaces: f.store, Logs: f.store, Rooms: f.store, Members: f.store, Lists: f.store, Messages: f.store, Changes: f.store, Webhooks: f.hooks,
		Endpoints: webhook.Endpoints{Private: webhook.Networks{netip.MustParsePrefix("10.1.0.0/16")}},
		Passwords: f.auth, Tokens: fakeTokens{f.auth}, Refreshes: f.auth, Recents: f.state, Presences: f.state, Throttle: f.state,
	}
}

// clock goes only when it is told how far.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// fakeState caches recent messages, knows everybody online, and counts attempts.
type fakeState struct {
	mu     sync.Mutex
	cached map[chat.RoomID][]chat.Message
	epochs map[chat.RoomID]uint64 // of cached
	asOf   map[chat.RoomID]chat.ChangeSeq
	fails  map[string]int // taken, and tries that failed
	asked  map[string]int // questions
	down   error
}

// fakeAuth hashes nothing and signs nothing.
type fakeAuth struct {
	issued  atomic.Int64
	down    error         // of hashing
	gate    chan struct{} // verifying waits until it is closed; nil: not
	waiting atomic.Int64
}

func (f *fakeState) Recent(_ context.Context, room chat.RoomID, epoch uint64, changes chat.ChangeSeq) ([]chat.Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.epochs[room] != epoch || f.asOf[room] != changes {
		return nil, f.down
	}
	return slices.Clone(f.cached[room]), f.down
}

func (f *fakeState) Warm(_ context.Context, room chat.RoomID, epoch uint64, changes chat.ChangeSeq, ms []chat.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cached[room], f.epochs[room], f.asOf[room] = slices.Clone(ms), epoch, changes
	return f.down
}

func (f *fakeState) Online(_ context.Context, ids []chat.UserID) ([]chat.Presence, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []chat.Presence
	for _, id := range ids {
		out = append(out, chat.Presence{User: id, Online: true, Known: true})
	}
	return out, f.down
}

func (f *fakeState) Allow(_ context.Context, key string, r chat.Rate, n, elsewhere int) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[key]++
	f.fails[key] += elsewhere
	if f.down == nil && f.fails[key]+n > r.Burst {
		return 1500 * time.Millisecond, nil
	}
	f.fails[key] += n
	return 0, f.down
}

func (f *fakeState) Refund(_ context.Context, key string, _ chat.Rate, n int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails[key] -= n
	return f.down
}

func (f *fakeState) Try(_ context.Context, account, from string) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return 0, f.down
	}
	if f.fails[account+"@"+from] >= 5 {
		return 2 * time.Second, nil
	}
	f.fails[account+"@"+from]++
	return 0, nil
}

func (f *fakeState) Settle(_ context.Context, account, from string, passed bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails[account+"@"+from]--
	if passed {
		delete(f.fails, account+"@"+from)
	}
	return f.down
}

func (f *fakeAuth) Check(password, _ string) error {
	if len(password) < 6 {
		return chat.BadField("password", "too short")
	}
	return nil
}

func (f *fakeAuth) Hash(_ context.Context, password string) (string, error) {
	return "hash:" + password, f.down
}

func (f *fakeAuth) Verify(_ context.Context, password, hash string) (ok, stale bool, err error) {
	if f.gate != nil {
		f.waiting.Add(1)
		<-f.gate
	}
	return hash == "hash:"+password || hash == "weak:"+password, strings.HasPrefix(hash, "weak:"), f.down
}

// fakeTokens is apart because passwords and tokens are both verified.
type fakeTokens struct{ *fakeAuth }

func (fakeTokens) Issue(user chat.UserID, session chat.SessionID) (string, time.Duration, error) {
	return "good|" + user.String() + "|" + string(session), time.Hour, nil
}

func (f fakeTokens) IssueFor(user chat.UserID, session chat.SessionID, lifetime time.Duration) (string, time.Duration, error) {
	token, usual, err := f.Issue(user, session)
	return token, cmp.Or(lifetime, usual), err
}

func (fakeTokens) Verify(token string) (chat.UserID, chat.SessionID, error) {
	parts := strings.Split(token, "|")
	switch {
	case parts[0] == "old":
		return 0, "", chat.E(chat.TokenExpired, "expired")
	case parts[0] != "good" || len(parts) != 3:
		return 0, "", chat.E(chat.Unauthenticated, "bad token")
	}
	n, err := strconv.ParseUint(parts[1], 10, 64)
	return chat.UserID(n), chat.SessionID(parts[2]), err
}

func (f *fakeAuth) NewRefresh() (string, [32]byte) {
	t := "refresh-" + strconv.FormatInt(f.issued.Add(1), 10)
	return t, sha256.Sum256([]byte(t))
}

func (*fakeAuth) NextRefresh(token string) ([32]byte, string, [32]byte) {
	next := token + "+"
	return sha256.Sum256([]byte(token)), next, sha256.Sum256([]byte(next))
}
