package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"

	"chat-service/internal/api/names"
	"chat-service/internal/api/server"
	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// RegisterBody describes a new account.
type RegisterBody struct {
	Username string  `json:"username" required:"true" minLength:"1" maxBytes:"1024" rule:"2–64 letters of one script, digits, '.', '_', '-', after NFKC and lower-casing; not me" doc:"stored in lower case" example:"ann"`
	Nickname string  `json:"nickname,omitempty" maxLength:"64" text:"line" doc:"the username if left out" example:"Ann"`
	Email    *string `json:"email,omitempty" maxLength:"190" rule:"an address like name@example.com, at most 190 bytes; empty: none" doc:"can be used to log in, too"`
	Password string  `json:"password" required:"true" minLength:"1" maxBytes:"1024" rule:"at least 6 bytes in debug mode, 8 and uncommon in release mode" example:"correct horse battery staple"`
}

// RegisterReply shows the new account.
type RegisterReply struct {
	User protocol.User `json:"user"`
}

// LoginBody opens a session.
type LoginBody struct {
	Username string `json:"username" required:"true" minLength:"1" maxBytes:"256" doc:"username or email" example:"ann"`
	Password string `json:"password" required:"true" minLength:"1" maxBytes:"1024" example:"correct horse battery staple"`
	Device   string `json:"device,omitempty" maxLength:"128" text:"line" doc:"name of this device in the list of sessions" example:"phone"`
}

// RefreshBody trades a refresh token for a new pair.
type RefreshBody struct {
	RefreshToken string `json:"refresh_token" required:"true" minLength:"1" maxBytes:"1024" example:"0123456789abcdef0123456789abcdef"`
}

// TokenReply is a session's pair of tokens.
type TokenReply struct {
	AccessToken  string        `json:"access_token"`
	TokenType    string        `json:"token_type" doc:"Bearer"`
	ExpiresIn    int           `json:"expires_in" doc:"seconds"`
	RefreshToken string        `json:"refresh_token" doc:"works once"`
	User         protocol.User `json:"user"`
}

// register creates an account. A malformed request uses up nothing of the address's allowance, and only an allowed
// one costs a hash.
func (s *station) register(c *server.Call, b RegisterBody) error {
	if s.opts.Closed || s.opts.NoPasswords {
		return chat.E(chat.Forbidden, "nobody can register here")
	}
	u := chat.User{
		Username: names.Normal(b.Username), Nickname: strings.TrimSpace(b.Nickname),
		Status: chat.Active, CreatedAt: s.now(),
	}
	if b.Email != nil {
		u.Email = names.Normal(*b.Email)
	}
	var k server.Checks
	k.Add(names.CheckUsername(u.Username))
	k.Add(chat.CheckEmail(u.Email))
	k.Add(s.checkPassword("password", b.Password, u.Username))
	if err := k.Err(); err != nil {
		return err
	}
	if err := s.attempts.Await(c.Ctx, "register", c.Address(), s.opts.Limits.RegisterRate(), s.opts.Patience); err != nil {
		return err
	}
	hash, err := s.ports.Passwords.Hash(c.Ctx, b.Password)
	if err != nil {
		return err
	}
	u.PasswordHash, u.Nickname = hash, cmp.Or(u.Nickname, u.Username)
	if u, err = s.ports.Accounts.CreateUser(c.Ctx, u); err != nil {
		return err
	}
	s.ports.Audit.Record(c.Ctx, chat.Act{Kind: chat.ActRegistered, User: u.ID})
	return c.Reply(http.StatusCreated, RegisterReply{ownView(u)})
}

// checkPassword checks a new password. The port calls the field "password"; field is its name in this request.
func (s *station) checkPassword(field, password, username string) error {
	err := s.ports.Passwords.Check(password, username)
	if err == nil {
		return nil
	}
	e := chat.As(err)
	if e.Kind != chat.Invalid || len(e.Fields) == 0 {
		return err
	}
	return chat.BadField(field, "%s", e.Fields[0].Message)
}

// ownView shows users their own account: with the email address.
func ownView(u chat.User) protocol.User {
	v := protocol.UserView(u)
	v.Email = u.Email
	return v
}

// login opens a session for a username or an email address.
func (s *station) login(c *server.Call, b LoginBody) error {
	if s.opts.NoPasswords {
		return errNoPasswords
	}
	login := names.Normal(b.Username)
	if err := s.attempts.Await(c.Ctx, "login", c.Address(), s.opts.Limits.LoginRate(), s.opts.Patience); err != nil {
		return err
	}
	u, err := s.authenticate(c, login, b.Password)
	if err == nil {
		err = s.openSession(c, u, b.Device)
	} else {
		return err
	}
	if chat.KindOf(err) == chat.Unauthenticated { // the account has another hash since it was read: of another password, or of this one
		if u, err = s.authenticate(c, login, b.Password); err == nil {
			err = s.openSession(c, u, b.Device)
		}
	}
	return err
}

// errNoPasswords is the answer to a password where none is taken.
var errNoPasswords = chat.E(chat.Forbidden, "passwords aren't taken here: the application logs its users in")

// authenticate finds the user of a login name and checks the password. An unknown user costs the same time and gets
// the same answer as a wrong password, so that nobody can find out who has an account.
//
// The try is counted before it is judged, by the account and not by what it was called: tries at once can't outrun the
// count, and a second name is no second allowance.
func (s *station) authenticate(c *server.Call, login, password string) (chat.User, error) {
	u, err := s.ports.Accounts.UserByLogin(c.Ctx, login)
	if err != nil && chat.KindOf(err) != chat.NotFound {
		return chat.User{}, err
	}
	account := "u" + u.ID.String()
	if err != nil {
		account, u = "name:"+login, chat.User{}
	}
	if err := s.attempts.Await(c.Ctx, "logins", account+" "+c.Address(), s.opts.Limits.AccountRate(), s.opts.Patience); err != nil {
		return chat.User{}, err
	}
	ok, err := s.verify(c, place{account, c.Address(), c.Address()}, &u, password)
	switch {
	case err != nil:
		return chat.User{}, err
	case !ok:
		s.ports.Audit.Record(c.Ctx, chat.Act{Kind: chat.ActLoginFailed, User: u.ID})
		return chat.User{}, chat.E(chat.Unauthenticated, "wrong username or password")
	case u.Status == chat.Disabled:
		s.ports.Audit.Record(c.Ctx, chat.Act{Kind: chat.ActLoginRefused, User: u.ID})
		return chat.User{}, chat.E(chat.Blocked, "")
	}
	return u, nil
}

// confirm checks the password of somebody who is logged in. Their session is the place that the try comes from: strangers
// who guess at the account don't delay its owner, and a stolen token is no way around the delays. The right password costs a hash,
// too: it is counted.
func (s *station) confirm(c *server.Call, u *chat.User, password string) (bool, error) {
	if err := s.attempts.Allow(c.Ctx, "confirm", c.User.String(), s.opts.Limits.FailureRate(), 1); err != nil {
		return false, err
	}
	ok, err := s.verify(c, place{"u" + u.ID.String() + ":confirm", string(c.Session), ""}, u, password)
	if err == nil && !ok {
		s.ports.Audit.Record(c.Ctx, chat.Act{Kind: chat.ActWrongPassword, User: u.ID})
	}
	return ok, err
}

// place is where a try at a password is counted: at an account, from somewhere, and at an address if that isn't empty.
type place struct{ account, from, address string }

// verify judges a password, if another one may be tried at the place. A zero user has none that fits. A hash that is renewed is u's
// from then on.
func (s *station) verify(c *server.Call, at place, u *chat.User, password string) (bool, error) {
	try := new(server.Try)
	if s.opts.Limits.LoginPerMinute > 0 {
		var err error
		if try, err = s.attempts.Try(c.Ctx, at.account, at.from, at.address, s.opts.Limits.FailureRate()); err != nil {
			s.ports.Audit.Record(c.Ctx, chat.Act{Kind: chat.ActThrottled, User: u.ID})
			return false, err
		}
	}
	ok, stale, err := s.ports.Passwords.Verify(c.Ctx, password, u.PasswordHash)
	switch {
	case err != nil:
		try.Unjudged(c.Ctx)
		return false, err
	case !ok || u.ID == 0:
		return false, nil
	}
	try.Passed(c.Ctx)
	if stale {
		s.renew(c.Ctx, u, password)
	}
	return true, nil
}

// renew replaces a hash that was made with weaker parameters than today's. It must not fail the login: the next one
// tries again.
func (s *station) renew(ctx context.Context, u *chat.User, password string) {
	hash, err := s.ports.Passwords.Hash(ctx, password)
	if err == nil {
		err = s.ports.Accounts.Rehash(ctx, u.ID, u.PasswordHash, hash)
	}
	if err != nil {
		s.opts.Log.Warn("password hash not renewed", "user_id", u.ID, "error", err)
		return
	}
	u.PasswordHash = hash
}

// openSession starts a login session on a device and answers with its tokens.
func (s *station) openSession(c *server.Call, u chat.User, device string) error {
	n, refresh := s.newSession(c, u, device)
	if err := s.ports.Sessions.OpenSession(c.Ctx, n); err != nil {
		return err
	}
	s.ports.Audit.Record(c.Ctx, chat.Act{Kind: chat.ActLogin, User: u.ID, Session: n.Session.ID, Detail: n.Session.Device})
	return s.tokens(c, u, n.Session.ID, refresh)
}

// newSession is a session to open on a device, and its first refresh token.
func (s *station) newSession(c *server.Call, u chat.User, device string) (n chat.NewSession, refresh string) {
	refresh, hash := s.ports.Refreshes.NewRefresh()
	now := s.now()
	return chat.NewSession{
		Session: chat.Session{
			ID: newSessionID(), User: u.ID, Device: strings.TrimSpace(device),
			IP: c.IP(), CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(s.opts.Sessions.Idle),
		},
		RefreshHash: hash, Until: now.Add(s.opts.Sessions.Absolute), Judged: u.PasswordHash, Most: s.opts.Limits.SessionsPerUser,
	}, refresh
}

// newSessionID makes an id that can't be guessed: 128 random bits.
func newSessionID() chat.SessionID {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return chat.SessionID(hex.EncodeToString(b[:]))
}

// tokens answers with a new access token and the given refresh token.
func (s *station) tokens(c *server.Call, u chat.User, session chat.SessionID, refresh string) error {
	access, lifetime, err := s.ports.Tokens.Issue(u.ID, session)
	if err != nil {
		return err
	}
	return c.OK(TokenReply{
		AccessToken: access, TokenType: "Bearer", ExpiresIn: int(lifetime.Seconds()),
		RefreshToken: refresh, User: ownView(u),
	})
}

// refresh trades a refresh token for its successor. Which one that is follows from the token, so that parallel
// requests with one token get the same answer; a token that was used longer ago than the grace ends the session,
// because it was copied. One that nobody has costs its address an allowance, like an access token that nobody signed.
func (s *station) refresh(c *server.Call, b RefreshBody) error {
	address, rate := c.Address(), s.opts.Limits.TokenRate()
	if err := s.attempts.Stranger(address, rate); err != nil {
		return err
	}
	hash, next, nextHash := s.ports.Refreshes.NextRefresh(b.RefreshToken)
	session, u, err := s.ports.Sessions.RotateRefresh(c.Ctx, chat.Rotation{
		Old: hash, Next: nextHash, Now: s.now(), IP: c.IP(),
		Grace: s.opts.Sessions.Grace, Idle: s.opts.Sessions.Idle,
	})
	if kind := chat.KindOf(err); kind != chat.NotFound && kind != chat.Unauthenticated {
		s.attempts.NoStranger(address, rate)
	}
	if err != nil {
		if chat.KindOf(err) == chat.NotFound {
			return server.ErrEnded
		}
		return err
	}
	return s.tokens(c, u, session.ID, next)
}
