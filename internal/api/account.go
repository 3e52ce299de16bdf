package api

import (
	"net/url"
	"strconv"
	"strings"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

const (
	maxAvatarURL = 512 // bytes
	maxQuery     = 256 // bytes of a search
)

// MeBody changes what it holds of the caller's account.
type MeBody struct {
	Nickname  *string `json:"nickname,omitempty" doc:"1–64 characters"`
	Email     *string `json:"email,omitempty" doc:"an empty one removes it"`
	AvatarURL *string `json:"avatar_url,omitempty" doc:"http or https; an empty one removes it"`
}

// UsersReply is a page of users.
type UsersReply struct {
	Users      []protocol.User `json:"users"`
	NextCursor *string         `json:"next_cursor" doc:"null on the last page"`
}

func (s *Server) me(c *call) error {
	u, err := s.ports.Accounts.User(c.ctx, c.user)
	if err != nil {
		return err
	}
	return c.ok(ownView(u))
}

func (s *Server) updateMe(c *call, b MeBody) error {
	p := chat.UserPatch{Nickname: trimmed(b.Nickname), AvatarURL: trimmed(b.AvatarURL)}
	var k checks
	if p.Nickname != nil {
		k.add(chat.CheckLine("nickname", *p.Nickname, 1, maxNickname))
	}
	if b.Email != nil {
		email := normal(*b.Email)
		p.Email = &email
		k.add(chat.CheckEmail(email))
	}
	if p.AvatarURL != nil {
		k.bad(webURL(*p.AvatarURL), "avatar_url", "must be an http or https address of at most 512 bytes")
	}
	if err := k.err(); err != nil {
		return err
	}
	u, err := s.ports.Accounts.UpdateUser(c.ctx, c.user, p)
	if err != nil {
		return err
	}
	return c.ok(ownView(u))
}

func trimmed(s *string) *string {
	if s == nil {
		return nil
	}
	t := strings.TrimSpace(*s)
	return &t
}

func webURL(s string) bool {
	if s == "" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxAvatarURL && u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http")
}

func (s *Server) users(c *call) error {
	q := query{c: c.Ctx}
	prefix := normal(q.text("q", maxQuery))
	cursor, limit := q.page()
	q.check.bad(prefix != "", "q", "is required")
	after, err := idCursor(cursor)
	q.check.add(err)
	if err := q.check.err(); err != nil {
		return err
	}
	list, err := s.ports.People.SearchUsers(c.ctx, prefix, chat.UserID(after), limit+1)
	if err != nil {
		return err
	}
	list, next := cut(list, limit, func(u chat.User) chat.UserID { return u.ID })
	return c.ok(UsersReply{views(list, protocol.UserView), next})
}

func (s *Server) oneUser(c *call) error {
	u, err := s.ports.Accounts.User(c.ctx, c.target)
	if err != nil {
		return err
	}
	if c.target == c.user {
		return c.ok(ownView(u))
	}
	return c.ok(protocol.UserView(u))
}

// idCursor reads the cursor of a list by id: 0 for the first page.
func idCursor(cursor string) (uint64, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(cursor, "i"), 36, 64)
	if err != nil || n == 0 || n > chat.MaxID || writeIDCursor(n) != cursor {
		return 0, chat.BadField("cursor", "is not one that a list gave out")
	}
	return n, nil
}

func writeIDCursor(id uint64) string { return "i" + strconv.FormatUint(id, 36) }

// cut shortens a list that was read one longer than limit, and makes the cursor of the next page where there is one.
func cut[T any](list []T, limit int, id func(T) chat.UserID) ([]T, *string) {
	if len(list) <= limit {
		return list, nil
	}
	list = list[:limit]
	return list, orNull(writeIDCursor(uint64(id(list[limit-1]))))
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
