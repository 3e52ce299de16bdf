package table

import (
	"time"

	"chat-service/internal/chat"
)

// Users are the accounts.
var Users = define("users", "u",
	Column[chat.User]{Name: "id", Cell: func(u *chat.User) Cell { return (*number)(&u.ID) }, Auto: true},
	Column[chat.User]{Name: "username", Cell: func(u *chat.User) Cell { return (*text)(&u.Username) }},
	Column[chat.User]{Name: "skeleton", Cell: func(u *chat.User) Cell { return (*looks)(&u.Username) }},
	Column[chat.User]{Name: "nickname", Cell: func(u *chat.User) Cell { return (*text)(&u.Nickname) }},
	Column[chat.User]{Name: "nickname_key", Cell: func(u *chat.User) Cell { return (*folded)(&u.Nickname) }},
	Column[chat.User]{Name: "email", Cell: func(u *chat.User) Cell { return (*nullText)(&u.Email) }},
	Column[chat.User]{Name: "avatar_url", Cell: func(u *chat.User) Cell { return (*text)(&u.AvatarURL) }},
	Column[chat.User]{Name: "password_hash", Cell: func(u *chat.User) Cell { return (*text)(&u.PasswordHash) }},
	Column[chat.User]{Name: "status", Cell: func(u *chat.User) Cell { return (*text)(&u.Status) }},
	Column[chat.User]{Name: "last_seen", Cell: func(u *chat.User) Cell { return (*moment)(&u.LastSeen) }},
	Column[chat.User]{Name: "created_at", Cell: func(u *chat.User) Cell { return (*moment)(&u.CreatedAt) }},
)

// Views of Users.
var (
	// People are all of chat.User.
	People = Users.Without("skeleton", "nickname_key")
	// Names are the accounts' usernames.
	Names = Users.Only("id", "username")
	// LastSeen is when users were last online.
	LastSeen = Users.Only("id", "last_seen")
)

// Session is a row of sessions.
type Session struct {
	chat.Session
	AbsoluteAt time.Time // ends the session however busy it is; ExpiresAt never exceeds it
	Origin     string    // what opens the same session again, 32 bytes; "": nothing
}

// Sessions are the login sessions.
var Sessions = define("sessions", "s",
	Column[Session]{Name: "id", Cell: func(s *Session) Cell { return (*text)(&s.ID) }},
	Column[Session]{Name: "user_id", Cell: func(s *Session) Cell { return (*number)(&s.User) }},
	Column[Session]{Name: "device", Cell: func(s *Session) Cell { return (*text)(&s.Device) }},
	Column[Session]{Name: "created_at", Cell: func(s *Session) Cell { return (*moment)(&s.CreatedAt) }},
	Column[Session]{Name: "last_seen_at", Cell: func(s *Session) Cell { return (*moment)(&s.LastSeenAt) }},
	Column[Session]{Name: "expires_at", Cell: func(s *Session) Cell { return (*moment)(&s.ExpiresAt) }},
	Column[Session]{Name: "absolute_at", Cell: func(s *Session) Cell { return (*moment)(&s.AbsoluteAt) }},
	Column[Session]{Name: "ip", Cell: func(s *Session) Cell { return (*text)(&s.IP) }},
	Column[Session]{Name: "revoked_at", Cell: func(s *Session) Cell { return (*moment)(&s.RevokedAt) }},
	Column[Session]{Name: "origin", Cell: func(s *Session) Cell { return (*bytes)(&s.Origin) }},
)

// SessionIDs is Sessions for who asks only which there are.
var SessionIDs = Sessions.Only("id")

// Live reports whether the session may still be used.
func (s *Session) Live(now time.Time) bool { return s.RevokedAt.IsZero() && now.Before(s.ExpiresAt) }

// Token is a row of refresh_tokens: one for each token that was ever handed out for a session, so that the reuse of an
// old one is noticed.
type Token struct {
	Hash      [32]byte // SHA-256 of the token
	Session   chat.SessionID
	CreatedAt time.Time
	UsedAt    time.Time // zero: not yet
}

// Tokens are the refresh tokens.
var Tokens = define("refresh_tokens", "t",
	Column[Token]{Name: "hash", Cell: func(t *Token) Cell { return (*digest)(&t.Hash) }},
	Column[Token]{Name: "session_id", Cell: func(t *Token) Cell { return (*text)(&t.Session) }},
	Column[Token]{Name: "created_at", Cell: func(t *Token) Cell { return (*moment)(&t.CreatedAt) }},
	Column[Token]{Name: "used_at", Cell: func(t *Token) Cell { return (*moment)(&t.UsedAt) }},
)

// Identity is a row of identities.
type Identity struct {
	Issuer    [32]byte // chat.Identity's IssuerKey
	Subject   string
	User      chat.UserID
	CreatedAt time.Time
}

// Identities say which account an application's issuer of tokens means.
var Identities = define("identities", "i",
	Column[Identity]{Name: "issuer", Cell: func(i *Identity) Cell { return (*digest)(&i.Issuer) }},
	Column[Identity]{Name: "subject", Cell: func(i *Identity) Cell { return (*bytes)(&i.Subject) }},
	Column[Identity]{Name: "user_id", Cell: func(i *Identity) Cell { return (*number)(&i.User) }},
	Column[Identity]{Name: "created_at", Cell: func(i *Identity) Cell { return (*moment)(&i.CreatedAt) }},
)
