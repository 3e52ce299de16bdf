package api

import (
	"chat-service/internal/api/names"
	"chat-service/internal/api/server"
	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// MeBody changes those fields of the caller's account that it holds.
type MeBody struct {
	Nickname  *string `json:"nickname,omitempty" minLength:"1" maxLength:"64" text:"line" example:"Ann"`
	Email     *string `json:"email,omitempty" maxLength:"190" rule:"an address like name@example.com, at most 190 bytes; empty: remove it" doc:"a change of it takes the password"`
	Password  string  `json:"password,omitempty" maxBytes:"1024" doc:"the current one"`
	AvatarURL *string `json:"avatar_url,omitempty" maxBytes:"512" rule:"an http or https address without a user; empty: remove it" example:"https://example.com/ann.png"`
}

// UsersReply is a page of users.
type UsersReply struct {
	Users      []protocol.User `json:"users"`
	NextCursor *string         `json:"next_cursor" doc:"null on the last page"`
}

func (s *station) me(c *server.Call) error {
	u, err := s.ports.Accounts.User(c.Ctx, c.User)
	if err != nil {
		return err
	}
	return c.OK(ownView(u))
}

// updateMe changes what the body holds: a field that is left out stays as it is, an empty email or avatar_url is
// removed.
func (s *station) updateMe(c *server.Call, b MeBody) error {
	p := chat.UserPatch{Nickname: server.Trimmed(b.Nickname), AvatarURL: server.Trimmed(b.AvatarURL)}
	var k server.Checks
	if b.Email != nil {
		email := names.Normal(*b.Email)
		p.Email = &email
		k.Add(chat.CheckEmail(email))
	}
	if p.AvatarURL != nil {
		k.Require(names.WebURL(*p.AvatarURL), "avatar_url", "must be an http or https address without a user")
	}
	if err := k.Err(); err != nil {
		return err
	}
	if p.Email != nil {
		if err := s.mayMove(c, *p.Email, b.Password); err != nil {
			return err
		}
	}
	u, err := s.ports.Accounts.UpdateUser(c.Ctx, c.User, p)
	if err != nil {
		return err
	}
	return c.OK(ownView(u))
}

// mayMove asks for the password before the email address changes: it is a name to log in by, and a stolen access token must not
// be enough to take an account over.
func (s *station) mayMove(c *server.Call, email, password string) error {
	u, err := s.ports.Accounts.User(c.Ctx, c.User)
	if err != nil || u.Email == email {
		return err
	}
	if password == "" {
		return chat.BadField("password", "is required to change the email address")
	}
	ok, err := s.confirm(c, &u, password)
	if err == nil && !ok {
		err = chat.E(chat.Forbidden, "the password is wrong")
	}
	return err
}

// users finds others by the beginning of a name, compared in the form in which names are stored, as far as the directory is open: names
// are public then, email addresses are not.
func (s *station) users(c *server.Call) error {
	q := c.Query()
	prefix := names.Normal(q.Text("q"))
	cursor, limit := q.Page()
	q.Check.Require(prefix != "", "q", "is required")
	after, err := server.IDCursor(server.ListUsers, cursor)
	q.Check.Add(err)
	if err := q.Check.Err(); err != nil {
		return err
	}
	if err := s.attempts.Search(c.Ctx, c.User, s.opts.Limits.SearchRate()); err != nil {
		return err
	}
	find := chat.UserSearch{Prefix: prefix, After: chat.UserID(after), Limit: limit + 1}
	switch s.opts.Directory {
	case chat.DirectoryOff:
		return chat.E(chat.Forbidden, "nobody can be searched for here")
	case chat.DirectoryShared:
		find.Beside = c.User
	}
	list, err := s.ports.People.SearchUsers(c.Ctx, find)
	if err != nil {
		return err
	}
	list, next := server.Cut(server.ListUsers, list, limit, func(u chat.User) chat.UserID { return u.ID })
	return c.OK(UsersReply{server.Views(list, protocol.UserView), next})
}

// oneUser shows a user; only to themselves with the email address. Where the directory isn't open, strangers don't exist.
func (s *station) oneUser(c *server.Call) error {
	if c.Target != c.User && s.opts.Directory != chat.DirectoryAll {
		known, err := s.ports.Lists.SharesRoom(c.Ctx, c.User, []chat.UserID{c.Target})
		if err != nil {
			return err
		}
		if len(known) == 0 {
			return chat.E(chat.NotFound, "no such user")
		}
	}
	u, err := s.ports.Accounts.User(c.Ctx, c.Target)
	if err != nil {
		return err
	}
	if c.Target == c.User {
		return c.OK(ownView(u))
	}
	return c.OK(protocol.UserView(u))
}
