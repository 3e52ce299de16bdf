package fakestore

import (
	"cmp"
	"context"
	"slices"

	"chat-service/internal/chat"
	"chat-service/internal/store/skeleton"
)

// Identity implements the stations' ports; see accounts.Store.
func (s *Store) Identity(ctx context.Context, who chat.Identity) (chat.User, error) {
	end, err := s.begin(ctx, "Identity")
	defer end()
	if err != nil {
		return chat.User{}, err
	}
	u := s.users[s.known[who]]
	if u == nil {
		return chat.User{}, noUser()
	}
	return *u, nil
}

// Provide implements the stations' ports; see accounts.Store.
func (s *Store) Provide(ctx context.Context, who chat.Identity, u chat.User) (out chat.User, made bool, err error) {
	end, err := s.begin(ctx, "Provide")
	defer end()
	if err != nil {
		return chat.User{}, false, err
	}
	if have := s.users[s.known[who]]; have != nil {
		return *have, false, nil
	}
	u.Username, u.Status = who.Username(), cmp.Or(u.Status, chat.Active)
	if err := s.free(0, u.Username, ""); err != nil {
		return chat.User{}, false, err
	}
	s.create(&u)
	s.known[who] = u.ID
	s.live(u.ID, chat.WebhookUserCreated, u.CreatedAt)
	return u, true, nil
}

// create gives an account its id and keeps it. The lock is held.
func (s *Store) create(u *chat.User) {
	for id := range s.users {
		u.ID = max(u.ID, id)
	}
	u.ID++
	u.Status = cmp.Or(u.Status, chat.Active)
	if u.CreatedAt.IsZero() {
		u.CreatedAt = s.now()
	}
	kept := *u
	s.users[u.ID] = &kept
	s.looks[skeleton.Of(u.Username)] = true
}

// ResumeSession implements the stations' ports; see accounts.Store.
func (s *Store) ResumeSession(ctx context.Context, n chat.NewSession) (chat.SessionID, error) {
	end, err := s.begin(ctx, "ResumeSession")
	defer end()
	if err != nil {
		return "", err
	}
	for _, l := range s.sessions {
		if l.User != n.Session.User || l.origin != n.Origin {
			continue
		}
		switch live := s.login(l.ID, s.now()).Err; {
		case chat.KindOf(live) == chat.Blocked:
			return "", live
		case live == nil:
			l.LastSeenAt, l.ExpiresAt, l.until, l.IP = n.Session.LastSeenAt, n.Session.ExpiresAt, n.Until, n.Session.IP
			if l.ExpiresAt.After(l.until) {
				l.ExpiresAt = l.until
			}
			s.forgetTokens(l.ID)
			s.tokens[n.RefreshHash] = &token{session: l.ID, after: s.calls["ResumeSession"]}
			return l.ID, nil
		}
	}
	return n.Session.ID, s.open(n)
}

// forgetTokens makes room for one more unused refresh token of a session. The lock is held.
func (s *Store) forgetTokens(id chat.SessionID) {
	var unused [][32]byte
	for h, t := range s.tokens {
		if t.session == id && t.usedAt.IsZero() {
			unused = append(unused, h)
		}
	}
	slices.SortFunc(unused, func(a, b [32]byte) int { return cmp.Compare(s.tokens[b].after, s.tokens[a].after) })
	for _, h := range unused[min(len(unused), chat.LiveTokens-1):] {
		delete(s.tokens, h)
	}
}
