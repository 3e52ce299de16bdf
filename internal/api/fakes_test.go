package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
)

// fakes are small in-memory stand-ins for all ports, made in one place: enough of the rules for the station's own
// behaviour to show. What the store itself does is tested with the store.
type fakes struct {
	store *fakeStore
	state *fakeState
	auth  *fakeAuth
}

func newFakes() fakes {
	return fakes{
		store: &fakeStore{
			now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), users: map[chat.UserID]chat.User{},
			sessions: map[chat.SessionID]chat.Session{}, refresh: map[[32]byte]chat.SessionID{},
			rooms: map[chat.RoomID]*chat.Room{}, members: map[chat.RoomID]map[chat.UserID]*chat.Member{},
			log: map[chat.RoomID][]chat.Message{},
		},
		state: &fakeState{cached: map[chat.RoomID][]chat.Message{}, epochs: map[chat.RoomID]uint64{}, fails: map[string]int{}},
		auth:  &fakeAuth{},
	}
}

func (f fakes) ports() Ports {
	return Ports{
		Accounts: f.store, People: f.store, Sessions: f.store, Rooms: f.store, Members: f.store, Lists: fakeLists{f.store}, Messages: f.store,
		Passwords: f.auth, Tokens: fakeTokens{f.auth}, Refreshes: f.auth, Recents: f.state, Presences: f.state, Throttle: f.state,
	}
}

// fakeStore keeps users, sessions, rooms, members and messages.
type fakeStore struct {
	mu       sync.Mutex
	now      time.Time
	users    map[chat.UserID]chat.User
	sessions map[chat.SessionID]chat.Session
	refresh  map[[32]byte]chat.SessionID
	rooms    map[chat.RoomID]*chat.Room
	members  map[chat.RoomID]map[chat.UserID]*chat.Member
	log      map[chat.RoomID][]chat.Message

	down      error // what every call returns
	lookups   int   // calls of Session
	histories int   // calls of History
	rehashed  []string
}

// fakeState caches recent messages, knows everybody online, and counts attempts.
type fakeState struct {
	mu     sync.Mutex
	cached map[chat.RoomID][]chat.Message
	epochs map[chat.RoomID]uint64 // of cached
	fails  map[string]int
	down   error
}

// fakeAuth hashes nothing and signs nothing.
type fakeAuth struct {
	issued atomic.Int64
	down   error // of hashing
}

func (f *fakeStore) Rehash(_ context.Context, _ chat.UserID, was, hash string) error {
	f.rehashed = append(f.rehashed, was+" → "+hash)
	return nil
}

func (f *fakeStore) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fakeStore) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// lock locks, and returns how to unlock and what a call must return.
func (f *fakeStore) lock() (func(), error) {
	f.mu.Lock()
	return f.mu.Unlock, f.down
}

func (f *fakeStore) CreateUser(_ context.Context, u chat.User) (chat.User, error) {
	unlock, err := f.lock()
	defer unlock()
	for _, o := range f.users {
		if o.Username == u.Username {
			return u, chat.E(chat.UsernameTaken, "taken")
		}
		if u.Email != "" && o.Email == u.Email {
			return u, chat.E(chat.EmailTaken, "taken")
		}
	}
	u.ID = chat.UserID(len(f.users) + 1)
	f.users[u.ID] = u
	return u, err
}

func (f *fakeStore) UserByLogin(_ context.Context, login string) (chat.User, error) {
	unlock, err := f.lock()
	defer unlock()
	for _, u := range f.users {
		if u.Username == login || u.Email == login {
			return u, err
		}
	}
	return chat.User{}, cmp.Or(err, error(chat.E(chat.NotFound, "nobody")))
}

func (f *fakeStore) User(_ context.Context, id chat.UserID) (chat.User, error) {
	unlock, err := f.lock()
	defer unlock()
	u, ok := f.users[id]
	if !ok {
		return u, chat.E(chat.NotFound, "no such user")
	}
	return u, err
}

func (f *fakeStore) UpdateUser(_ context.Context, id chat.UserID, p chat.UserPatch) (chat.User, error) {
	unlock, err := f.lock()
	defer unlock()
	u := f.users[id]
	for to, from := range map[*string]*string{&u.Nickname: p.Nickname, &u.Email: p.Email, &u.AvatarURL: p.AvatarURL} {
		if from != nil {
			*to = *from
		}
	}
	f.users[id] = u
	return u, err
}

func (f *fakeStore) SetPassword(ctx context.Context, id chat.UserID, hash string, keep chat.SessionID) error {
	f.mu.Lock()
	u := f.users[id]
	u.PasswordHash = hash
	f.users[id] = u
	f.mu.Unlock()
	return f.RevokeSessions(ctx, id, keep)
}

func (f *fakeStore) SearchUsers(_ context.Context, prefix string, after chat.UserID, limit int) ([]chat.User, error) {
	unlock, err := f.lock()
	defer unlock()
	var out []chat.User
	for id := after + 1; int(id) <= len(f.users) && len(out) < limit; id++ {
		if u := f.users[id]; strings.HasPrefix(u.Username, prefix) {
			out = append(out, u)
		}
	}
	return out, err
}

func (f *fakeStore) SharesRoom(_ context.Context, user chat.UserID, others []chat.UserID) ([]chat.UserID, error) {
	unlock, err := f.lock()
	defer unlock()
	var out []chat.UserID
	for _, o := range others {
		for _, ms := range f.members {
			if ms[user] != nil && ms[o] != nil && ms[user].In() && ms[o].In() && !slices.Contains(out, o) {
				out = append(out, o)
			}
		}
	}
	return out, err
}

func (f *fakeStore) LastSeen(_ context.Context, _ []chat.UserID) (map[chat.UserID]time.Time, error) {
	return map[chat.UserID]time.Time{}, nil
}

func (f *fakeStore) Session(_ context.Context, id chat.SessionID, user chat.UserID) (chat.Session, chat.User, error) {
	unlock, err := f.lock()
	defer unlock()
	f.lookups++
	s, ok := f.sessions[id]
	if err == nil && (!ok || s.User != user) {
		err = chat.E(chat.Unauthenticated, "no such session")
	}
	return s, f.users[user], err
}

func (f *fakeStore) OpenSession(_ context.Context, n chat.NewSession) error {
	unlock, err := f.lock()
	defer unlock()
	f.sessions[n.Session.ID] = n.Session
	f.refresh[n.RefreshHash] = n.Session.ID
	return err
}

func (f *fakeStore) RotateRefresh(_ context.Context, r chat.Rotation) (chat.Session, chat.User, error) {
	unlock, err := f.lock()
	defer unlock()
	id, ok := f.refresh[r.Old]
	s := f.sessions[id]
	if !ok || !s.RevokedAt.IsZero() {
		return s, chat.User{}, chat.E(chat.Unauthenticated, "no such token")
	}
	f.refresh[r.Next] = id
	return s, f.users[s.User], err
}

func (f *fakeStore) RevokeSession(_ context.Context, user chat.UserID, id chat.SessionID) error {
	unlock, err := f.lock()
	defer unlock()
	s, ok := f.sessions[id]
	if !ok || s.User != user {
		return chat.E(chat.NotFound, "no such session")
	}
	s.RevokedAt = f.now
	f.sessions[id] = s
	return err
}

func (f *fakeStore) RevokeSessions(_ context.Context, user chat.UserID, except chat.SessionID) error {
	unlock, err := f.lock()
	defer unlock()
	for id, s := range f.sessions {
		if s.User == user && id != except {
			s.RevokedAt = f.now
			f.sessions[id] = s
		}
	}
	return err
}

func (f *fakeStore) Sessions(_ context.Context, user chat.UserID) ([]chat.Session, error) {
	unlock, err := f.lock()
	defer unlock()
	var out []chat.Session
	for _, s := range f.sessions {
		if s.User == user && s.RevokedAt.IsZero() {
			out = append(out, s)
		}
	}
	return out, err
}

// at returns a room and the user's membership, NotFound unless the user is in the room or it is public.
func (f *fakeStore) at(room chat.RoomID, user chat.UserID, members bool) (*chat.Room, *chat.Member, error) {
	r := f.rooms[room]
	if r == nil || !r.DissolvedAt.IsZero() {
		return nil, nil, chat.E(chat.NotFound, "no such room")
	}
	m := f.members[room][user]
	if (m == nil || !m.In()) && (members || r.Visibility != chat.Public) {
		return nil, nil, chat.E(chat.NotFound, "no such room")
	}
	if m == nil {
		m = &chat.Member{}
	}
	return r, m, f.down
}

func (f *fakeStore) enter(r *chat.Room, role chat.Role, user chat.UserID) {
	f.members[r.ID][user] = &chat.Member{Room: r.ID, User: user, Role: role, VisibleFrom: 1, JoinedAt: f.now}
	r.MemberCount++
}

func (f *fakeStore) CreateRoom(_ context.Context, n chat.NewRoom) (chat.Membership, error) {
	unlock, err := f.lock()
	defer unlock()
	r := &chat.Room{
		ID: chat.RoomID(len(f.rooms) + 1), Type: chat.Group, Name: n.Name, Description: n.Description,
		Visibility: n.Visibility, Owner: n.Owner, Epoch: 1, CreatedAt: f.now,
	}
	for _, id := range n.Members {
		if _, ok := f.users[id]; !ok {
			return chat.Membership{}, chat.BadField("member_ids", "there is no user %d", id)
		}
	}
	f.rooms[r.ID], f.members[r.ID] = r, map[chat.UserID]*chat.Member{}
	f.enter(r, chat.Owner, n.Owner)
	for _, id := range n.Members {
		f.enter(r, chat.Plain, id)
	}
	return chat.Membership{Room: *r, Member: *f.members[r.ID][n.Owner]}, err
}

func (f *fakeStore) DirectRoom(_ context.Context, a, b chat.UserID) (chat.Membership, bool, error) {
	unlock, err := f.lock()
	defer unlock()
	for id, r := range f.rooms {
		if ms := f.members[id]; r.Type == chat.Direct && ms[a] != nil && ms[b] != nil {
			return chat.Membership{Room: *r, Member: *ms[a]}, false, err
		}
	}
	r := &chat.Room{ID: chat.RoomID(len(f.rooms) + 1), Type: chat.Direct, Visibility: chat.Private, Epoch: 1, CreatedAt: f.now}
	f.rooms[r.ID], f.members[r.ID] = r, map[chat.UserID]*chat.Member{}
	f.enter(r, chat.Plain, a)
	f.enter(r, chat.Plain, b)
	return chat.Membership{Room: *r, Member: *f.members[r.ID][a]}, true, err
}

func (f *fakeStore) UpdateRoom(_ context.Context, room chat.RoomID, by chat.UserID, p chat.RoomPatch) (chat.Membership, error) {
	unlock, _ := f.lock()
	defer unlock()
	r, m, err := f.at(room, by, true)
	if err == nil {
		err = chat.MayEdit(*r, *m)
	}
	if err != nil {
		return chat.Membership{}, err
	}
	if p.Name != nil {
		r.Name = *p.Name
	}
	return chat.Membership{Room: *r, Member: *m}, nil
}

func (f *fakeStore) Dissolve(_ context.Context, room chat.RoomID, by chat.UserID) error {
	unlock, _ := f.lock()
	defer unlock()
	r, m, err := f.at(room, by, true)
	if err == nil {
		err = chat.MayOwn(*r, *m)
	}
	if err == nil {
		r.DissolvedAt = f.now
	}
	return err
}

func (f *fakeStore) View(_ context.Context, room chat.RoomID, viewer chat.UserID) (chat.Membership, error) {
	unlock, _ := f.lock()
	defer unlock()
	r, m, err := f.at(room, viewer, false)
	if err != nil {
		return chat.Membership{}, err
	}
	return chat.Membership{Room: *r, Member: *m}, nil
}

func (f *fakeStore) AddMembers(_ context.Context, room chat.RoomID, by chat.UserID, ids []chat.UserID) ([]chat.UserID, error) {
	unlock, _ := f.lock()
	defer unlock()
	r, m, err := f.at(room, by, false)
	if err == nil && !slices.Equal(ids, []chat.UserID{by}) {
		err = chat.MayInvite(*r, *m)
	}
	if err != nil {
		return nil, err
	}
	var added []chat.UserID
	for _, id := range ids {
		if f.members[room][id] == nil {
			f.enter(r, chat.Plain, id)
			added = append(added, id)
		}
	}
	return added, nil
}

func (f *fakeStore) target(room chat.RoomID, by, target chat.UserID) (r *chat.Room, b, m *chat.Member, err error) {
	if r, b, err = f.at(room, by, true); err != nil {
		return nil, nil, nil, err
	}
	if m = f.members[room][target]; m == nil || !m.In() {
		return nil, nil, nil, chat.E(chat.NotFound, "no such member")
	}
	return r, b, m, nil
}

func (f *fakeStore) RemoveMember(_ context.Context, room chat.RoomID, by, target chat.UserID) error {
	unlock, _ := f.lock()
	defer unlock()
	r, b, m, err := f.target(room, by, target)
	switch {
	case err != nil:
	case by == target:
		err = chat.MayLeave(*r, *b)
	default:
		err = chat.MayRemove(*r, *b, *m)
	}
	if err == nil {
		m.LeftSeq = max(r.LastSeq, 1)
	}
	return err
}

func (f *fakeStore) SetRole(_ context.Context, room chat.RoomID, by, target chat.UserID, to chat.Role) (chat.Member, error) {
	unlock, _ := f.lock()
	defer unlock()
	r, b, m, err := f.target(room, by, target)
	if err == nil {
		err = chat.MayRank(*r, *b, *m, to)
	}
	if err != nil {
		return chat.Member{}, err
	}
	m.Role = to
	return *m, nil
}

func (f *fakeStore) Mute(_ context.Context, room chat.RoomID, by, target chat.UserID, until time.Time) (chat.Member, error) {
	unlock, _ := f.lock()
	defer unlock()
	r, b, m, err := f.target(room, by, target)
	if err == nil {
		err = chat.MayMute(*r, *b, *m)
	}
	if err != nil {
		return chat.Member{}, err
	}
	m.MutedUntil = until
	return *m, nil
}

func (f *fakeStore) Transfer(_ context.Context, room chat.RoomID, by, to chat.UserID) (chat.Room, error) {
	unlock, _ := f.lock()
	defer unlock()
	r, b, m, err := f.target(room, by, to)
	if err == nil {
		err = chat.MayOwn(*r, *b)
	}
	if err != nil {
		return chat.Room{}, err
	}
	b.Role, m.Role, r.Owner = chat.Admin, chat.Owner, to
	return *r, nil
}

// fakeLists is apart because Members is a list here and a port there.
type fakeLists struct{ *fakeStore }

func (f fakeLists) RoomList(_ context.Context, user chat.UserID, cursor string, limit int) ([]chat.Membership, string, error) {
	unlock, err := f.lock()
	defer unlock()
	from := 1
	if cursor != "" {
		var bad error
		if from, bad = strconv.Atoi(cursor); bad != nil {
			return nil, "", chat.BadField("cursor", "is not one of ours")
		}
	}
	var out []chat.Membership
	for id := chat.RoomID(from); int(id) <= len(f.rooms); id++ {
		m := f.members[id][user]
		if m == nil || !m.In() {
			continue
		}
		if len(out) == limit {
			return out, id.String(), err
		}
		out = append(out, chat.Membership{Room: *f.rooms[id], Member: *m})
	}
	return out, "", err
}

func (f fakeLists) PublicRooms(_ context.Context, q, _ string, _ int) ([]chat.Room, string, error) {
	unlock, err := f.lock()
	defer unlock()
	var out []chat.Room
	for _, r := range f.rooms {
		if r.Visibility == chat.Public && strings.Contains(r.Name, q) {
			out = append(out, *r)
		}
	}
	return out, "", err
}

func (f fakeLists) Members(_ context.Context, room chat.RoomID, viewer, after chat.UserID, limit int) ([]chat.MemberUser, error) {
	unlock, _ := f.lock()
	defer unlock()
	if _, _, err := f.at(room, viewer, true); err != nil {
		return nil, err
	}
	var out []chat.MemberUser
	for id := after + 1; int(id) <= len(f.users) && len(out) < limit; id++ {
		if m := f.members[room][id]; m != nil && m.In() {
			out = append(out, chat.MemberUser{Member: *m, User: f.users[id]})
		}
	}
	return out, nil
}

func (f fakeLists) Unread(_ context.Context, user chat.UserID) (uint64, map[chat.RoomID]uint64, error) {
	unlock, err := f.lock()
	defer unlock()
	var total uint64
	per := map[chat.RoomID]uint64{}
	for id, ms := range f.members {
		if m := ms[user]; m != nil && m.In() {
			if n := chat.Unread(f.rooms[id].MsgCount, m.ReadCount); n > 0 {
				per[id], total = n, total+n
			}
		}
	}
	return total, per, err
}

func (f *fakeStore) Post(_ context.Context, s chat.Send, now time.Time) (chat.Sent, error) {
	unlock, _ := f.lock()
	defer unlock()
	r, m, err := f.at(s.Room, s.Sender, true)
	if err != nil {
		return chat.Sent{}, err
	}
	for _, old := range f.log[s.Room] {
		if old.Sender == s.Sender && old.ClientMsgID == s.ClientMsgID {
			if old.Content != s.Content {
				return chat.Sent{Err: chat.E(chat.IdempotencyConflict, "another body")}, nil
			}
			return chat.Sent{Message: old, Duplicate: true}, nil
		}
	}
	if m.MutedUntil.After(now) {
		return chat.Sent{Err: chat.E(chat.Muted, "muted")}, nil
	}
	r.LastSeq++
	r.MsgCount++
	msg := chat.Message{
		Room: r.ID, Seq: r.LastSeq, Ord: r.MsgCount, Kind: chat.Text, Sender: s.Sender,
		ClientMsgID: s.ClientMsgID, Content: s.Content, CreatedAt: now,
	}
	f.log[r.ID] = append(f.log[r.ID], msg)
	m.ReadSeq, m.ReadCount = msg.Seq, msg.Ord
	return chat.Sent{Message: msg}, nil
}

func (f *fakeStore) ReadAndTell(_ context.Context, mark chat.ReadMark) (chat.ReadState, error) {
	unlock, _ := f.lock()
	defer unlock()
	r, m, err := f.at(mark.Room, mark.User, true)
	if err != nil {
		return chat.ReadState{}, err
	}
	m.ReadSeq = max(m.ReadSeq, min(mark.Seq, r.LastSeq))
	m.ReadCount = uint64(m.ReadSeq)
	return chat.ReadState{ReadSeq: m.ReadSeq, Unread: chat.Unread(r.MsgCount, m.ReadCount)}, nil
}

func (f *fakeStore) Membership(_ context.Context, room chat.RoomID, user chat.UserID) (chat.Membership, error) {
	unlock, _ := f.lock()
	defer unlock()
	r, m := f.rooms[room], f.members[room][user]
	if r == nil || m == nil {
		return chat.Membership{}, chat.E(chat.NotFound, "no such room")
	}
	return chat.Membership{Room: *r, Member: *m}, f.down
}

func (f *fakeStore) History(_ context.Context, q chat.HistoryQuery) (chat.HistoryPage, error) {
	unlock, err := f.lock()
	defer unlock()
	f.histories++
	r, m := f.rooms[q.Room], f.members[q.Room][q.User]
	if r == nil || m == nil {
		return chat.HistoryPage{}, chat.E(chat.NotFound, "no such room")
	}
	_, to, _ := m.Window(r.LastSeq)
	all := f.log[q.Room][:to]
	p := chat.HistoryPage{LastSeq: to, Epoch: r.Epoch}
	switch {
	case q.After != nil:
		all = all[min(int(*q.After), len(all)):]
		p.Messages, p.HasMore = all[:min(q.Limit, len(all))], len(all) > q.Limit
	case q.Before != nil:
		all = all[:min(max(int(*q.Before)-1, 0), len(all))]
		p.Messages, p.HasMore = all[max(0, len(all)-q.Limit):], len(all) > q.Limit
	case q.Around == nil:
		end := len(all) - (min(q.Page, 1e6)-1)*q.PageSize
		if end > 0 {
			p.Messages, p.HasMore = all[max(0, end-q.PageSize):end], end > q.PageSize
		}
	}
	return p, err
}

func (f *fakeState) Recent(_ context.Context, room chat.RoomID, epoch uint64) ([]chat.Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.epochs[room] != epoch {
		return nil, f.down
	}
	return slices.Clone(f.cached[room]), f.down
}

func (f *fakeState) Warm(_ context.Context, room chat.RoomID, epoch uint64, ms []chat.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cached[room], f.epochs[room] = slices.Clone(ms), epoch
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

func (f *fakeState) Allow(_ context.Context, key string, limit, _ int, _ time.Duration) (bool, time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails[key]++
	if f.down == nil && f.fails[key] > limit {
		return false, 1500 * time.Millisecond, nil
	}
	return f.down == nil, 0, f.down
}

func (f *fakeState) Refund(_ context.Context, key string, _ int, _ time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails[key]--
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
	return hash == "hash:"+password, strings.HasPrefix(password, "stale"), f.down
}

// fakeTokens is apart because passwords and tokens are both verified.
type fakeTokens struct{ *fakeAuth }

func (fakeTokens) Issue(user chat.UserID, session chat.SessionID) (string, time.Duration, error) {
	return "good|" + user.String() + "|" + string(session), time.Hour, nil
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
