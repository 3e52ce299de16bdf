package rooms

import (
	"time"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// MemberView is a member of a room.
type MemberView struct {
	UserID     chat.UserID   `json:"user_id"`
	User       protocol.User `json:"user"`
	Role       chat.Role     `json:"role"`
	JoinedAt   string        `json:"joined_at"`
	MutedUntil *string       `json:"muted_until,omitempty"`
}

// MembersReply is a page of members.
type MembersReply struct {
	Members    []MemberView `json:"members"`
	NextCursor *string      `json:"next_cursor" doc:"null on the last page"`
}

// AddBody names users to add; the caller's own id joins a public room.
type AddBody struct {
	MemberIDs []chat.UserID `json:"member_ids" required:"true" minItems:"1" limit:"members_call" rule:"ids of users" example:"[1]"`
}

// AddReply names the users who were not in the room before.
type AddReply struct {
	Added []chat.UserID `json:"added"`
}

// MemberPatchBody changes a member's role, or mutes or unmutes the member.
type MemberPatchBody struct {
	Role        *chat.Role              `json:"role,omitempty" enum:"admin,member"`
	MutedUntil  server.Maybe[time.Time] `json:"muted_until,omitzero" rule:"within ten years, written as RFC 3339" doc:"null lifts the mute"`
	MuteSeconds *int64                  `json:"mute_seconds,omitempty" minimum:"0" maximum:"315359999" doc:"instead of muted_until; 0 lifts the mute" example:"3600"`
}

// maxMute bounds a mute, and is the maximum of mute_seconds: beyond it, removing the member is meant.
const maxMute = 10 * 365 * 24 * time.Hour

// memberView shows a member; a mute that is over isn't shown.
func memberView(m chat.MemberUser, now time.Time) MemberView {
	v := MemberView{
		UserID: m.Member.User, User: protocol.UserView(m.User),
		Role: m.Member.Role, JoinedAt: chat.FormatTime(m.Member.JoinedAt),
	}
	if m.Member.MutedUntil.After(now) {
		v.MutedUntil = protocol.TimePtr(m.Member.MutedUntil)
	}
	return v
}

// members lists a page of a room's members.
func (v *Verbs) members(c *server.Call) error {
	return v.MembersBy(c, func(after chat.UserID, limit int) ([]chat.MemberUser, error) {
		return v.ports.Lists.Members(c.Ctx, c.Room, c.User, after, limit)
	})
}

// MembersBy lists a page of the members that read finds. One more than the page holds is read, to know whether there is a next one.
func (v *Verbs) MembersBy(c *server.Call, read func(after chat.UserID, limit int) ([]chat.MemberUser, error)) error {
	q := c.Query()
	cursor, limit := q.Page()
	after, err := server.IDCursor(server.ListMembers, cursor)
	q.Check.Add(err)
	if err := q.Check.Err(); err != nil {
		return err
	}
	list, err := read(chat.UserID(after), limit+1)
	if err != nil {
		return err
	}
	list, next := server.Cut(server.ListMembers, list, limit, func(m chat.MemberUser) chat.UserID { return m.Member.User })
	now := v.now()
	return c.OK(MembersReply{server.Views(list, func(m chat.MemberUser) MemberView { return memberView(m, now) }), next})
}

// addMembers adds users, or lets the caller join a public room; which of the two is the store's rule, judged on
// locked rows.
func (v *Verbs) addMembers(c *server.Call, b AddBody) error {
	added, err := v.invite(c, server.Once(b.MemberIDs))
	if err != nil {
		return err
	}
	return c.OK(AddReply{append([]chat.UserID{}, added...)})
}

// removeMember removes another member, or lets the caller leave.
func (v *Verbs) removeMember(c *server.Call) error {
	return c.Gone(v.ports.Members.RemoveMember(c.Ctx, c.Room, c.User, c.Target))
}

// updateMember changes the role or the mute. The answer shows the member as the transaction left them.
func (v *Verbs) updateMember(c *server.Call, b MemberPatchBody) error {
	until, mute, err := b.check(v.now())
	if err != nil {
		return err
	}
	var m chat.Member
	if b.Role != nil {
		if m, err = v.ports.Members.SetRole(c.Ctx, c.Room, c.User, c.Target, *b.Role); err != nil {
			return err
		}
	}
	if mute {
		if m, err = v.ports.Members.Mute(c.Ctx, c.Room, c.User, c.Target, until); err != nil {
			return err
		}
	}
	u, err := v.ports.Accounts.User(c.Ctx, c.Target)
	if err != nil {
		return err
	}
	return c.OK(memberView(chat.MemberUser{Member: m, User: u}, v.now()))
}

// check returns until when to mute, and whether to. Role and mute exclude each other: each is a transaction of its
// own, and a request that fails must not be half done.
func (b MemberPatchBody) check(now time.Time) (until time.Time, mute bool, err error) {
	var k server.Checks
	mute = b.MutedUntil.Set || b.MuteSeconds != nil
	k.Require(b.Role != nil || mute, "role", "give role, muted_until or mute_seconds")
	k.Require(b.Role == nil || !mute, "role", "change role and mute in two requests")
	k.Require(!b.MutedUntil.Set || b.MuteSeconds == nil, "mute_seconds", "give either muted_until or mute_seconds")
	if b.MutedUntil.Value != nil {
		until = *b.MutedUntil.Value
		k.Require(until.Before(now.Add(maxMute)), "muted_until", "must be within ten years")
	}
	if b.MuteSeconds != nil {
		until = now.Add(time.Duration(*b.MuteSeconds) * time.Second)
	}
	if !until.After(now) {
		until = time.Time{}
	}
	return until.UTC(), mute, k.Err()
}
