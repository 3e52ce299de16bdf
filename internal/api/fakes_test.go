package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"chat-service/internal/chat"
)

// world is a small in-memory twin of all ports: enough of the rules for the edge's behaviour to show.
type world struct {
	mu       sync.Mutex
	now      time.Time
	users    map[chat.UserID]chat.User
	sessions map[chat.SessionID]chat.Session
	refresh  map[[32]byte]chat.SessionID
	rooms    map[chat.RoomID]*chat.Room
	members  map[chat.RoomID]map[chat.UserID]*chat.Member
	log      map[chat.RoomID][]chat.Message
	cached   map[chat.RoomID][]chat.Message
	epochs   map[chat.RoomID]uint64 // of cached
	fails    map[string]int

	storeDown, stateDown error
	hashing              error
	lookups              int // calls of Session
	histories            int
	rehashed             []string
	panics               bool
}

func newWorld() *world {
	return &world{
		now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), users: map[chat.UserID]chat.User{},
		sessions: map[chat.SessionID]chat.Session{}, refresh: map[[32]byte]chat.SessionID{},
		rooms: map[chat.RoomID]*chat.Room{}, members: map[chat.RoomID]map[chat.UserID]*chat.Member{},
		log: map[chat.RoomID][]chat.Message{}, cached: map[chat.RoomID][]chat.Message{}, epochs: map[chat.RoomID]uint64{}, fails: map[string]int{},
	}
}

func (w *world) ports() Ports {
	return Ports{
		Accounts: w, People: w, Sessions: sessionTwin{w}, Liveness: w, Rooms: w, Members: w, Lists: listTwin{w}, Log: w,
		Passwords: w, Tokens: tokenTwin{w}, Recents: w, Presences: w, Throttle: throttleTwin{w}, Hashes: w,
	}
}

func (w *world) Rehash(_ context.Context, _ chat.UserID, was, hash string) error {
	w.rehashed = append(w.rehashed, was+" → "+hash)
	return nil
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) lock() (func(), error) {
	w.mu.Lock()
	return w.mu.Unlock, w.storeDown
}

func (w *world) CreateUser(_ context.Context, u chat.User) (chat.User, error) {
	unlock, err := w.lock()
	defer unlock()
	for _, o := range w.users {
		if o.Username == u.Username {
			return u, chat.E(chat.UsernameTaken, "taken")
		}
		if u.Email != "" && o.Email == u.Email {
			return u, chat.E(chat.EmailTaken, "taken")
		}
	}
	u.ID = chat.UserID(len(w.users) + 1)
	w.users[u.ID] = u
	return u, err
}

func (w *world) UserByLogin(_ context.Context, login string) (chat.User, error) {
	unlock, err := w.lock()
	defer unlock()
	for _, u := range w.users {
		if u.Username == login || u.Email == login {
			return u, err
		}
	}
	return chat.User{}, cmp.Or(err, error(chat.E(chat.NotFound, "nobody")))
}

func (w *world) User(_ context.Context, id chat.UserID) (chat.User, error) {
	unlock, err := w.lock()
	defer unlock()
	if w.panics {
		panic("twin")
	}
	u, ok := w.users[id]
	if !ok {
		return u, chat.E(chat.NotFound, "no such user")
	}
	return u, err
}

func (w *world) UpdateUser(_ context.Context, id chat.UserID, p chat.UserPatch) (chat.User, error) {
	unlock, err := w.lock()
	defer unlock()
	u := w.users[id]
	for to, from := range map[*string]*string{&u.Nickname: p.Nickname, &u.Email: p.Email, &u.AvatarURL: p.AvatarURL} {
		if from != nil {
			*to = *from
		}
	}
	w.users[id] = u
	return u, err
}

func (w *world) SetPassword(ctx context.Context, id chat.UserID, hash string, keep chat.SessionID) error {
	w.mu.Lock()
	u := w.users[id]
	u.PasswordHash = hash
	w.users[id] = u
	w.mu.Unlock()
	return sessionTwin{w}.RevokeSessions(ctx, id, keep)
}

func (w *world) SearchUsers(_ context.Context, prefix string, after chat.UserID, limit int) ([]chat.User, error) {
	unlock, err := w.lock()
	defer unlock()
	var out []chat.User
	for id := after + 1; int(id) <= len(w.users) && len(out) < limit; id++ {
		if u := w.users[id]; strings.HasPrefix(u.Username, prefix) {
			out = append(out, u)
		}
	}
	return out, err
}

func (w *world) SharesRoom(_ context.Context, user chat.UserID, others []chat.UserID) ([]chat.UserID, error) {
	unlock, err := w.lock()
	defer unlock()
	var out []chat.UserID
	for _, o := range others {
		for _, ms := range w.members {
			if ms[user] != nil && ms[o] != nil && ms[user].In() && ms[o].In() && !slices.Contains(out, o) {
				out = append(out, o)
			}
		}
	}
	return out, err
}

func (w *world) LastSeen(_ context.Context, _ []chat.UserID) (map[chat.UserID]time.Time, error) {
	return map[chat.UserID]time.Time{}, nil
}

func (w *world) Session(_ context.Context, id chat.SessionID, user chat.UserID) (chat.Session, chat.User, error) {
	unlock, err := w.lock()
	defer unlock()
	w.lookups++
	s, ok := w.sessions[id]
	if err == nil && (!ok || s.User != user) {
		err = chat.E(chat.Unauthenticated, "no such session")
	}
	return s, w.users[user], err
}

type sessionTwin struct{ *world }

func (w sessionTwin) OpenSession(_ context.Context, n chat.NewSession) error {
	unlock, err := w.lock()
	defer unlock()
	w.sessions[n.Session.ID] = n.Session
	w.refresh[n.RefreshHash] = n.Session.ID
	return err
}

func (w sessionTwin) RotateRefresh(_ context.Context, r chat.Rotation) (chat.Session, chat.User, error) {
	unlock, err := w.lock()
	defer unlock()
	id, ok := w.refresh[r.Old]
	s := w.sessions[id]
	if !ok || !s.RevokedAt.IsZero() {
		return s, chat.User{}, chat.E(chat.Unauthenticated, "no such token")
	}
	w.refresh[r.Next] = id
	return s, w.users[s.User], err
}

func (w sessionTwin) RevokeSession(_ context.Context, user chat.UserID, id chat.SessionID) error {
	unlock, err := w.lock()
	defer unlock()
	s, ok := w.sessions[id]
	if !ok || s.User != user {
		return chat.E(chat.NotFound, "no such session")
	}
	s.RevokedAt = w.now
	w.sessions[id] = s
	return err
}

func (w sessionTwin) RevokeSessions(_ context.Context, user chat.UserID, except chat.SessionID) error {
	unlock, err := w.lock()
	defer unlock()
	for id, s := range w.sessions {
		if s.User == user && id != except {
			s.RevokedAt = w.now
			w.sessions[id] = s
		}
	}
	return err
}

func (w sessionTwin) Sessions(_ context.Context, user chat.UserID) ([]chat.Session, error) {
	unlock, err := w.lock()
	defer unlock()
	var out []chat.Session
	for _, s := range w.sessions {
		if s.User == user && s.RevokedAt.IsZero() {
			out = append(out, s)
		}
	}
	return out, err
}

// at returns a room and the user's place in it, NotFound unless he is in it or it is public.
func (w *world) at(room chat.RoomID, user chat.UserID, members bool) (*chat.Room, *chat.Member, error) {
	r := w.rooms[room]
	if r == nil || !r.DissolvedAt.IsZero() {
		return nil, nil, chat.E(chat.NotFound, "no such room")
	}
	m := w.members[room][user]
	if (m == nil || !m.In()) && (members || r.Visibility != chat.Public) {
		return nil, nil, chat.E(chat.NotFound, "no such room")
	}
	if m == nil {
		m = &chat.Member{}
	}
	return r, m, w.storeDown
}

func (w *world) enter(r *chat.Room, role chat.Role, user chat.UserID) {
	w.members[r.ID][user] = &chat.Member{Room: r.ID, User: user, Role: role, VisibleFrom: 1, JoinedAt: w.now}
	r.MemberCount++
}

func (w *world) CreateRoom(_ context.Context, n chat.NewRoom) (chat.Membership, error) {
	unlock, err := w.lock()
	defer unlock()
	r := &chat.Room{
		ID: chat.RoomID(len(w.rooms) + 1), Type: chat.Group, Name: n.Name, Description: n.Description,
		Visibility: n.Visibility, Owner: n.Owner, Epoch: 1, CreatedAt: w.now,
	}
	for _, id := range n.Members {
		if _, ok := w.users[id]; !ok {
			return chat.Membership{}, chat.BadField("member_ids", "there is no user %d", id)
		}
	}
	w.rooms[r.ID], w.members[r.ID] = r, map[chat.UserID]*chat.Member{}
	w.enter(r, chat.Owner, n.Owner)
	for _, id := range n.Members {
		w.enter(r, chat.Plain, id)
	}
	return chat.Membership{Room: *r, Member: *w.members[r.ID][n.Owner]}, err
}

func (w *world) DirectRoom(_ context.Context, a, b chat.UserID) (chat.Membership, bool, error) {
	unlock, err := w.lock()
	defer unlock()
	for id, r := range w.rooms {
		if ms := w.members[id]; r.Type == chat.Direct && ms[a] != nil && ms[b] != nil {
			return chat.Membership{Room: *r, Member: *ms[a]}, false, err
		}
	}
	r := &chat.Room{ID: chat.RoomID(len(w.rooms) + 1), Type: chat.Direct, Visibility: chat.Private, Epoch: 1, CreatedAt: w.now}
	w.rooms[r.ID], w.members[r.ID] = r, map[chat.UserID]*chat.Member{}
	w.enter(r, chat.Plain, a)
	w.enter(r, chat.Plain, b)
	return chat.Membership{Room: *r, Member: *w.members[r.ID][a]}, true, err
}

func (w *world) UpdateRoom(_ context.Context, room chat.RoomID, by chat.UserID, p chat.RoomPatch) (chat.Membership, error) {
	unlock, _ := w.lock()
	defer unlock()
	r, m, err := w.at(room, by, true)
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

func (w *world) Dissolve(_ context.Context, room chat.RoomID, by chat.UserID) error {
	unlock, _ := w.lock()
	defer unlock()
	r, m, err := w.at(room, by, true)
	if err == nil {
		err = chat.MayOwn(*r, *m)
	}
	if err == nil {
		r.DissolvedAt = w.now
	}
	return err
}

func (w *world) View(_ context.Context, room chat.RoomID, viewer chat.UserID) (chat.Membership, error) {
	unlock, _ := w.lock()
	defer unlock()
	r, m, err := w.at(room, viewer, false)
	if err != nil {
		return chat.Membership{}, err
	}
	return chat.Membership{Room: *r, Member: *m}, nil
}

func (w *world) AddMembers(_ context.Context, room chat.RoomID, by chat.UserID, ids []chat.UserID) ([]chat.UserID, error) {
	unlock, _ := w.lock()
	defer unlock()
	r, m, err := w.at(room, by, false)
	if err == nil && !slices.Equal(ids, []chat.UserID{by}) {
		err = chat.MayInvite(*r, *m)
	}
	if err != nil {
		return nil, err
	}
	var added []chat.UserID
	for _, id := range ids {
		if w.members[room][id] == nil {
			w.enter(r, chat.Plain, id)
			added = append(added, id)
		}
	}
	return added, nil
}

func (w *world) target(room chat.RoomID, by, target chat.UserID) (r *chat.Room, b, m *chat.Member, err error) {
	if r, b, err = w.at(room, by, true); err != nil {
		return nil, nil, nil, err
	}
	if m = w.members[room][target]; m == nil || !m.In() {
		return nil, nil, nil, chat.E(chat.NotFound, "no such member")
	}
	return r, b, m, nil
}

func (w *world) RemoveMember(_ context.Context, room chat.RoomID, by, target chat.UserID) error {
	unlock, _ := w.lock()
	defer unlock()
	r, b, m, err := w.target(room, by, target)
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

func (w *world) SetRole(_ context.Context, room chat.RoomID, by, target chat.UserID, to chat.Role) (chat.Member, error) {
	unlock, _ := w.lock()
	defer unlock()
	r, b, m, err := w.target(room, by, target)
	if err == nil {
		err = chat.MayRank(*r, *b, *m, to)
	}
	if err != nil {
		return chat.Member{}, err
	}
	m.Role = to
	return *m, nil
}

func (w *world) Mute(_ context.Context, room chat.RoomID, by, target chat.UserID, until time.Time) (chat.Member, error) {
	unlock, _ := w.lock()
	defer unlock()
	r, b, m, err := w.target(room, by, target)
	if err == nil {
		err = chat.MayMute(*r, *b, *m)
	}
	if err != nil {
		return chat.Member{}, err
	}
	m.MutedUntil = until
	return *m, nil
}

func (w *world) Transfer(_ context.Context, room chat.RoomID, by, to chat.UserID) (chat.Room, error) {
	unlock, _ := w.lock()
	defer unlock()
	r, b, m, err := w.target(room, by, to)
	if err == nil {
		err = chat.MayOwn(*r, *b)
	}
	if err != nil {
		return chat.Room{}, err
	}
	b.Role, m.Role, r.Owner = chat.Admin, chat.Owner, to
	return *r, nil
}

type listTwin struct{ *world }

func (w listTwin) RoomList(_ context.Context, user chat.UserID, cursor string, limit int) ([]chat.Membership, string, error) {
	unlock, err := w.lock()
	defer unlock()
	from := 1
	if cursor != "" {
		var bad error
		if from, bad = strconv.Atoi(cursor); bad != nil {
			return nil, "", chat.BadField("cursor", "is not one of ours")
		}
	}
	var out []chat.Membership
	for id := chat.RoomID(from); int(id) <= len(w.rooms); id++ {
		m := w.members[id][user]
		if m == nil || !m.In() {
			continue
		}
		if len(out) == limit {
			return out, id.String(), err
		}
		out = append(out, chat.Membership{Room: *w.rooms[id], Member: *m})
	}
	return out, "", err
}

func (w listTwin) PublicRooms(_ context.Context, q, _ string, _ int) ([]chat.Room, string, error) {
	unlock, err := w.lock()
	defer unlock()
	var out []chat.Room
	for _, r := range w.rooms {
		if r.Visibility == chat.Public && strings.Contains(r.Name, q) {
			out = append(out, *r)
		}
	}
	return out, "", err
}

func (w listTwin) Members(_ context.Context, room chat.RoomID, viewer, after chat.UserID, limit int) ([]chat.MemberUser, error) {
	unlock, _ := w.lock()
	defer unlock()
	if _, _, err := w.at(room, viewer, true); err != nil {
		return nil, err
	}
	var out []chat.MemberUser
	for id := after + 1; int(id) <= len(w.users) && len(out) < limit; id++ {
		if m := w.members[room][id]; m != nil && m.In() {
			out = append(out, chat.MemberUser{Member: *m, User: w.users[id]})
		}
	}
	return out, nil
}

func (w listTwin) Unread(_ context.Context, user chat.UserID) (uint64, map[chat.RoomID]uint64, error) {
	unlock, err := w.lock()
	defer unlock()
	var total uint64
	per := map[chat.RoomID]uint64{}
	for id, ms := range w.members {
		if m := ms[user]; m != nil && m.In() {
			if n := chat.Unread(w.rooms[id].MsgCount, m.ReadCount); n > 0 {
				per[id], total = n, total+n
			}
		}
	}
	return total, per, err
}

func (w *world) Post(_ context.Context, s chat.Send, now time.Time) (chat.Sent, error) {
	unlock, _ := w.lock()
	defer unlock()
	r, m, err := w.at(s.Room, s.Sender, true)
	if err != nil {
		return chat.Sent{}, err
	}
	for _, old := range w.log[s.Room] {
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
	w.log[r.ID] = append(w.log[r.ID], msg)
	m.ReadSeq, m.ReadCount = msg.Seq, msg.Ord
	return chat.Sent{Message: msg}, nil
}

func (w *world) ReadAndTell(_ context.Context, mark chat.ReadMark) (chat.ReadState, error) {
	unlock, _ := w.lock()
	defer unlock()
	r, m, err := w.at(mark.Room, mark.User, true)
	if err != nil {
		return chat.ReadState{}, err
	}
	m.ReadSeq = max(m.ReadSeq, min(mark.Seq, r.LastSeq))
	m.ReadCount = uint64(m.ReadSeq)
	return chat.ReadState{ReadSeq: m.ReadSeq, Unread: chat.Unread(r.MsgCount, m.ReadCount)}, nil
}

func (w *world) Membership(_ context.Context, room chat.RoomID, user chat.UserID) (chat.Membership, error) {
	unlock, _ := w.lock()
	defer unlock()
	r, m := w.rooms[room], w.members[room][user]
	if r == nil || m == nil {
		return chat.Membership{}, chat.E(chat.NotFound, "no such room")
	}
	return chat.Membership{Room: *r, Member: *m}, w.storeDown
}

func (w *world) History(_ context.Context, q chat.HistoryQuery) (chat.HistoryPage, error) {
	unlock, err := w.lock()
	defer unlock()
	w.histories++
	r, m := w.rooms[q.Room], w.members[q.Room][q.User]
	if r == nil || m == nil {
		return chat.HistoryPage{}, chat.E(chat.NotFound, "no such room")
	}
	_, to, _ := m.Window(r.LastSeq)
	all := w.log[q.Room][:to]
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

func (w *world) Recent(_ context.Context, room chat.RoomID, epoch uint64) ([]chat.Message, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.epochs[room] != epoch {
		return nil, w.stateDown
	}
	return slices.Clone(w.cached[room]), w.stateDown
}

func (w *world) Warm(_ context.Context, room chat.RoomID, epoch uint64, ms []chat.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cached[room], w.epochs[room] = slices.Clone(ms), epoch
	return w.stateDown
}

func (w *world) Online(_ context.Context, ids []chat.UserID) ([]chat.Presence, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []chat.Presence
	for _, id := range ids {
		out = append(out, chat.Presence{User: id, Online: true, Known: true})
	}
	return out, w.stateDown
}

type throttleTwin struct{ *world }

func (w throttleTwin) Allow(_ context.Context, key string, limit, _ int, _ time.Duration) (bool, time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fails[key]++
	if w.stateDown == nil && w.fails[key] > limit {
		return false, 1500 * time.Millisecond, nil
	}
	return w.stateDown == nil, 0, w.stateDown
}

func (w throttleTwin) Fail(_ context.Context, key string) (time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fails[key]++
	return 0, w.stateDown
}

func (w throttleTwin) Delay(_ context.Context, key string) (time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stateDown == nil && w.fails[key] > 5 {
		return 2 * time.Second, nil
	}
	return 0, w.stateDown
}

func (w throttleTwin) Clear(_ context.Context, key string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.fails, key)
	return w.stateDown
}

func (w *world) Check(password, _ string) error {
	if len(password) < 6 {
		return chat.BadField("password", "too short")
	}
	return nil
}

func (w *world) Hash(_ context.Context, password string) (string, error) {
	return "hash:" + password, w.hashing
}

func (w *world) Verify(_ context.Context, password, hash string) (ok, stale bool, err error) {
	return hash == "hash:"+password, strings.HasPrefix(password, "stale"), w.hashing
}

type tokenTwin struct{ *world }

func (w tokenTwin) Issue(user chat.UserID, session chat.SessionID) (string, time.Duration, error) {
	return "good|" + user.String() + "|" + string(session), time.Hour, nil
}

func (w tokenTwin) Verify(token string) (chat.UserID, chat.SessionID, error) {
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

func (w tokenTwin) NewRefresh() (string, [32]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := "refresh-" + strconv.Itoa(len(w.refresh))
	return t, sha256.Sum256([]byte(t))
}

func (w tokenTwin) NextRefresh(token string) ([32]byte, string, [32]byte) {
	next := token + "+"
	return sha256.Sum256([]byte(token)), next, sha256.Sum256([]byte(next))
}
