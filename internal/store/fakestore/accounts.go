package fakestore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/skeleton"
)

// session is a login session and its absolute end.
type session struct {
	chat.Session
	until  time.Time
	origin string
}

// token is a refresh token that was handed out.
type token struct {
	session chat.SessionID
	usedAt  time.Time
	after   int // how many there were before it
}

func noUser() error    { return chat.E(chat.NotFound, "no such user") }
func noSession() error { return chat.E(chat.Unauthenticated, "the session has ended, log in again") }

// user returns an account, made up if any user is there.
func (s *Store) user(id chat.UserID) chat.User {
	if u := s.users[id]; u != nil {
		return *u
	}
	return chat.User{ID: id, Username: "u" + id.String(), Status: chat.Active}
}

func (s *Store) find(id chat.UserID) (*chat.User, error) {
	if u := s.users[id]; u != nil {
		return u, nil
	}
	if !s.o.AnyUser || id == 0 {
		return nil, noUser()
	}
	u := s.user(id)
	s.users[id] = &u
	return &u, nil
}

// free returns which unique key another account than id holds already.
func (s *Store) free(id chat.UserID, username, email string) error {
	if username != "" && s.looks[skeleton.Of(username)] {
		return chat.E(chat.UsernameTaken, "the username is taken, or looks like one that is")
	}
	for _, o := range s.users {
		switch {
		case o.ID == id:
		case email != "" && o.Email == email:
			return chat.E(chat.EmailTaken, "the email address is in use")
		}
	}
	return nil
}

// CreateUser implements the stations' ports; see accounts.Store.
func (s *Store) CreateUser(ctx context.Context, u chat.User) (chat.User, error) {
	end, err := s.begin(ctx, "CreateUser")
	defer end()
	if err == nil {
		err = s.free(0, u.Username, u.Email)
	}
	if err != nil {
		return chat.User{}, err
	}
	s.create(&u)
	s.live(u.ID, chat.WebhookUserCreated, u.CreatedAt)
	return u, nil
}

// UserByLogin implements the stations' ports; see accounts.Store.
func (s *Store) UserByLogin(ctx context.Context, login string) (chat.User, error) {
	end, err := s.begin(ctx, "UserByLogin")
	defer end()
	if err != nil {
		return chat.User{}, err
	}
	for _, u := range s.users {
		if email := strings.Contains(login, "@"); email && u.Email == login || !email && u.Username == login {
			return *u, nil
		}
	}
	return chat.User{}, noUser()
}

// User implements the stations' ports; see accounts.Store.
func (s *Store) User(ctx context.Context, id chat.UserID) (chat.User, error) {
	end, err := s.begin(ctx, "User")
	defer end()
	if err != nil {
		return chat.User{}, err
	}
	u, err := s.find(id)
	if err != nil {
		return chat.User{}, err
	}
	return *u, nil
}

// Users implements the stations' ports; see accounts.Store.
func (s *Store) Users(ctx context.Context, ids []chat.UserID) (us []chat.User, err error) {
	end, err := s.begin(ctx, "Users")
	defer end()
	if err != nil {
		return nil, err
	}
	for _, id := range sortedIDs(ids) {
		if u, err := s.find(id); err == nil {
			us = append(us, *u)
		}
	}
	return us, nil
}

// SearchUsers implements the stations' ports; see accounts.Store.
func (s *Store) SearchUsers(ctx context.Context, q chat.UserSearch) (us []chat.User, err error) {
	end, err := s.begin(ctx, "SearchUsers")
	defer end()
	if err != nil {
		return nil, err
	}
	for _, u := range s.users {
		fits := strings.HasPrefix(u.Username, folded(q.Prefix)) || strings.HasPrefix(folded(u.Nickname), folded(q.Prefix))
		if u.ID > q.After && u.Status == chat.Active && fits && (q.Beside == 0 || s.share(q.Beside, u.ID)) {
			us = append(us, *u)
		}
	}
	slices.SortFunc(us, func(a, b chat.User) int { return cmp.Compare(a.ID, b.ID) })
	return us[:min(len(us), q.Limit)], nil
}

// UpdateUser implements the stations' ports; see accounts.Store.
func (s *Store) UpdateUser(ctx context.Context, id chat.UserID, p chat.UserPatch) (chat.User, error) {
	end, err := s.begin(ctx, "UpdateUser")
	defer end()
	if err != nil {
		return chat.User{}, err
	}
	u, err := s.living(id)
	if err == nil && p.Email != nil {
		err = s.free(id, "", *p.Email)
	}
	if err != nil {
		return chat.User{}, err
	}
	before := *u
	for to, from := range map[*string]*string{&u.Nickname: p.Nickname, &u.Email: p.Email, &u.AvatarURL: p.AvatarURL} {
		if from != nil {
			*to = *from
		}
	}
	if u.Nickname != before.Nickname || u.AvatarURL != before.AvatarURL {
		s.add(envelope.Announcement{Profile: &chat.User{ID: u.ID, Username: u.Username, Nickname: u.Nickname, AvatarURL: u.AvatarURL, CreatedAt: u.CreatedAt}})
	}
	return *u, nil
}

// SetPassword implements the stations' ports; see accounts.Store.
func (s *Store) SetPassword(ctx context.Context, id chat.UserID, was, hash string, keep chat.SessionID) (err error) {
	return cmp.Or(s.ofUser(ctx, "SetPassword", id, func(u *chat.User) {
		if was != "" && was != u.PasswordHash && hash != u.PasswordHash {
			err = chat.E(chat.Forbidden, "the old password is wrong")
			return
		}
		u.PasswordHash = hash
		s.revokeAll(id, keep, false)
	}), err)
}

// Rehash implements the stations' ports; see accounts.Store.
func (s *Store) Rehash(ctx context.Context, id chat.UserID, was, hash string) error {
	err := s.ofUser(ctx, "Rehash", id, func(u *chat.User) {
		if u.PasswordHash == was {
			u.PasswordHash = hash
		}
	})
	if chat.KindOf(err) == chat.NotFound {
		return nil
	}
	return err
}

// DisableUser implements accounts.Store's verb.
func (s *Store) DisableUser(ctx context.Context, id chat.UserID) error {
	return s.ofUser(ctx, "DisableUser", id, func(u *chat.User) {
		u.Status = chat.Disabled
		s.live(id, chat.WebhookUserDisabled, s.now())
		s.revokeAll(id, "", true)
	})
}

// EnableUser implements accounts.Store's verb.
func (s *Store) EnableUser(ctx context.Context, id chat.UserID) error {
	end, err := s.begin(ctx, "EnableUser")
	defer end()
	if err != nil {
		return err
	}
	u, err := s.living(id)
	if err == nil {
		u.Status = chat.Active
		s.live(id, chat.WebhookUserEnabled, s.now())
	}
	return err
}

// empty shuts and empties an account for good.
func (s *Store) empty(id chat.UserID) (again bool, err error) {
	u, err := s.find(id)
	if err != nil || u.Username == chat.ErasedUsername(id) {
		return err == nil, err
	}
	*u = chat.User{ID: id, Username: chat.ErasedUsername(id), Nickname: chat.ErasedName, Status: chat.Disabled, CreatedAt: u.CreatedAt}
	s.live(id, chat.WebhookUserDisabled, s.now())
	s.revokeAll(id, "", true)
	s.add(envelope.Announcement{Profile: &chat.User{ID: id, Username: u.Username, Nickname: u.Nickname, CreatedAt: u.CreatedAt}})
	return false, nil
}

// living finds an account that was not emptied.
func (s *Store) living(id chat.UserID) (*chat.User, error) {
	u, err := s.find(id)
	if err == nil && u.Username == chat.ErasedUsername(id) {
		err = chat.E(chat.Conflict, "the user was erased")
	}
	return u, err
}

func (s *Store) ofUser(ctx context.Context, verb string, id chat.UserID, fn func(*chat.User)) error {
	end, err := s.begin(ctx, verb)
	defer end()
	if err != nil {
		return err
	}
	u, err := s.find(id)
	if err == nil {
		fn(u)
	}
	return err
}

// LastSeen implements the stations' ports; see accounts.Store.
func (s *Store) LastSeen(ctx context.Context, users []chat.UserID) (map[chat.UserID]time.Time, error) {
	end, err := s.begin(ctx, "LastSeen")
	defer end()
	seen := map[chat.UserID]time.Time{}
	if err != nil {
		return seen, err
	}
	for _, id := range users {
		if u := s.users[id]; u != nil && !u.LastSeen.IsZero() {
			seen[id] = u.LastSeen
		}
	}
	return seen, nil
}

// SawUsers implements the stations' ports; see accounts.Store.
func (s *Store) SawUsers(ctx context.Context, at map[chat.UserID]time.Time) error {
	end, err := s.begin(ctx, "SawUsers")
	defer end()
	if err != nil {
		return err
	}
	for id, t := range at {
		if u, err := s.find(id); err == nil && t.After(u.LastSeen) {
			u.LastSeen = t.UTC().Truncate(time.Microsecond)
		}
	}
	return nil
}

// OpenSession implements the stations' ports; see accounts.Store.
func (s *Store) OpenSession(ctx context.Context, n chat.NewSession) error {
	end, err := s.begin(ctx, "OpenSession")
	defer end()
	if err != nil {
		return err
	}
	return s.open(n)
}

// open opens a session. The lock is held.
func (s *Store) open(n chat.NewSession) error {
	switch u := s.users[n.Session.User]; {
	case u == nil:
		return chat.E(chat.NotFound, "no such user")
	case u.Status == chat.Disabled:
		return chat.E(chat.Blocked, "")
	case n.Judged != "" && n.Judged != u.PasswordHash:
		return chat.E(chat.Unauthenticated, "the password was changed meanwhile")
	}
	l := &session{Session: n.Session, until: n.Until, origin: n.Origin}
	if l.CreatedAt.IsZero() {
		l.CreatedAt = s.now()
	}
	if l.LastSeenAt.IsZero() {
		l.LastSeenAt = l.CreatedAt
	}
	if l.ExpiresAt.After(l.until) {
		l.ExpiresAt = l.until
	}
	s.sessions[l.ID], s.tokens[n.RefreshHash] = l, &token{session: l.ID}
	var older []*session
	for _, x := range s.sessions {
		if x.User == l.User && x != l && s.login(x.ID, s.now()).Err == nil {
			older = append(older, x)
		}
	}
	slices.SortFunc(older, func(a, b *session) int { return cmp.Or(b.LastSeenAt.Compare(a.LastSeenAt), cmp.Compare(a.ID, b.ID)) })
	for i := max(n.Most-1, 0); n.Most > 0 && i < len(older); i++ {
		s.revoke(older[i])
	}
	return nil
}

// login returns a session with its user, or why it may not be used.
func (s *Store) login(id chat.SessionID, now time.Time) chat.Login {
	l := s.sessions[id]
	if l == nil && s.o.AnySession != nil {
		if user, ok := s.o.AnySession(id); ok {
			l = &session{Session: chat.Session{ID: id, User: user, ExpiresAt: now.Add(time.Hour)}, until: now.Add(24 * time.Hour)}
			s.sessions[id] = l
		}
	}
	if l == nil {
		return chat.Login{Err: noSession()}
	}
	out := chat.Login{Session: l.Session, User: s.user(l.User)}
	switch {
	case out.User.Status != chat.Active:
		out.Err = chat.E(chat.Blocked, "")
	case !l.RevokedAt.IsZero() || !now.Before(l.ExpiresAt):
		out.Err = noSession()
	}
	return out
}

// Session implements the stations' ports; see accounts.Store.
func (s *Store) Session(ctx context.Context, id chat.SessionID, user chat.UserID) (chat.Session, chat.User, error) {
	end, err := s.begin(ctx, "Session")
	defer end()
	if err != nil {
		return chat.Session{}, chat.User{}, err
	}
	l := s.login(id, s.now())
	if l.Session.User != user {
		l.Err = noSession()
	}
	if l.Err != nil {
		return chat.Session{}, chat.User{}, l.Err
	}
	return l.Session, l.User, nil
}

// Logins implements the stations' ports; see accounts.Store.
func (s *Store) Logins(ctx context.Context, ids []chat.SessionID) (map[chat.SessionID]chat.Login, error) {
	end, err := s.begin(ctx, "Logins")
	defer end()
	if err != nil {
		return nil, err
	}
	out := map[chat.SessionID]chat.Login{}
	for _, id := range ids {
		out[id] = s.login(id, s.now())
	}
	return out, nil
}

// RevokedAmong implements the stations' ports; see accounts.Store.
func (s *Store) RevokedAmong(ctx context.Context, ids []chat.SessionID) (revoked []chat.SessionID, err error) {
	end, err := s.begin(ctx, "RevokedAmong")
	defer end()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if s.login(id, s.now()).Err != nil {
			revoked = append(revoked, id)
		}
	}
	return revoked, nil
}

// Sessions implements the stations' ports; see accounts.Store.
func (s *Store) Sessions(ctx context.Context, user chat.UserID) (ls []chat.Session, err error) {
	end, err := s.begin(ctx, "Sessions")
	defer end()
	if err != nil {
		return nil, err
	}
	for _, l := range s.sessions {
		if l.User == user && l.RevokedAt.IsZero() && s.now().Before(l.ExpiresAt) {
			ls = append(ls, l.Session)
		}
	}
	slices.SortFunc(ls, func(a, b chat.Session) int {
		return cmp.Or(b.LastSeenAt.Compare(a.LastSeenAt), cmp.Compare(a.ID, b.ID))
	})
	return ls, nil
}

// RevokeSession implements the stations' ports; see accounts.Store.
func (s *Store) RevokeSession(ctx context.Context, user chat.UserID, id chat.SessionID) error {
	end, err := s.begin(ctx, "RevokeSession")
	defer end()
	if err != nil {
		return err
	}
	s.login(id, s.now()) // makes one that AnySession knows
	l := s.sessions[id]
	if l == nil || l.User != user {
		return chat.E(chat.NotFound, "no such session")
	}
	if l.RevokedAt.IsZero() {
		s.revoke(l)
	}
	return nil
}

func (s *Store) revoke(l *session) {
	l.RevokedAt = s.now()
	s.add(envelope.Announcement{Revoked: &chat.Revoked{User: l.User, Sessions: []chat.SessionID{l.ID}}})
}

// RevokeSessions implements the stations' ports; see accounts.Store.
func (s *Store) RevokeSessions(ctx context.Context, user chat.UserID, except chat.SessionID) error {
	end, err := s.begin(ctx, "RevokeSessions")
	defer end()
	if err == nil {
		s.revokeAll(user, except, false)
	}
	return err
}

func (s *Store) revokeAll(user chat.UserID, except chat.SessionID, disabled bool) {
	for _, l := range s.sessions {
		if l.User == user && l.ID != except && l.RevokedAt.IsZero() {
			l.RevokedAt = s.now()
		}
	}
	s.add(envelope.Announcement{Revoked: &chat.Revoked{User: user, Except: except, Disabled: disabled}})
}

// RotateRefresh implements the stations' ports; see accounts.Store.
func (s *Store) RotateRefresh(ctx context.Context, r chat.Rotation) (chat.Session, chat.User, error) {
	end, err := s.begin(ctx, "RotateRefresh")
	defer end()
	if err != nil {
		return chat.Session{}, chat.User{}, err
	}
	t := s.tokens[r.Old]
	if t == nil || s.sessions[t.session] == nil {
		return chat.Session{}, chat.User{}, noSession()
	}
	l := s.sessions[t.session]
	login := s.login(t.session, r.Now)
	switch {
	case login.Err != nil:
		return chat.Session{}, chat.User{}, login.Err
	case t.usedAt.IsZero():
		t.usedAt = r.Now
	case r.Now.Sub(t.usedAt) > r.Grace:
		s.revoke(l)
		return chat.Session{}, chat.User{}, noSession()
	}
	if s.tokens[r.Next] == nil {
		s.tokens[r.Next] = &token{session: l.ID}
	}
	if r.IP != "" {
		l.IP = r.IP
	}
	l.LastSeenAt, l.ExpiresAt = r.Now.UTC().Truncate(time.Microsecond), r.Now.Add(r.Idle).UTC().Truncate(time.Microsecond)
	if l.ExpiresAt.After(l.until) {
		l.ExpiresAt = l.until
	}
	return l.Session, login.User, nil
}
