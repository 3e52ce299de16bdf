package rooms

import (
	"slices"
	"strings"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// RoomBody describes a new room.
type RoomBody struct {
	Type        *chat.RoomType   `json:"type,omitempty" enum:"group,direct" doc:"group if left out" example:"group"`
	Name        string           `json:"name,omitempty" maxLength:"128" text:"line" example:"Gardeners"`
	Description string           `json:"description,omitempty" maxLength:"1024" text:"lines" example:"What grows, and what doesn't"`
	Visibility  *chat.Visibility `json:"visibility,omitempty" enum:"private,public" doc:"private if left out" example:"public"`
	HistoryAll  bool             `json:"history_all,omitempty" doc:"members who join a private group later see it from its beginning"`
	MemberIDs   []chat.UserID    `json:"member_ids,omitempty" limit:"members_call" rule:"ids of users" doc:"of a direct room: the other user, or the caller alone for notes"`
}

// RoomPatchBody changes those fields of a group that it holds.
type RoomPatchBody struct {
	Name        *string          `json:"name,omitempty" minLength:"1" maxLength:"128" text:"line" example:"Gardeners"`
	Description *string          `json:"description,omitempty" maxLength:"1024" text:"lines" example:"What grows"`
	Visibility  *chat.Visibility `json:"visibility,omitempty" enum:"private,public" example:"private"`
	HistoryAll  *bool            `json:"history_all,omitempty"`
}

// OwnerBody names a group's next owner.
type OwnerBody struct {
	UserID chat.UserID `json:"user_id" required:"true" example:"2"`
}

// RoomsReply is a page of the caller's rooms, or of public rooms; those lack the fields that depend on membership.
type RoomsReply struct {
	Rooms      []protocol.ListedRoom `json:"rooms"`
	NextCursor *string               `json:"next_cursor" doc:"null on the last page"`
}

// publicRoomsReply is a RoomsReply of rooms as they look from outside.
type publicRoomsReply struct {
	NextCursor *string         `json:"next_cursor"`
	Rooms      []protocol.Room `json:"rooms"`
}

// rooms lists the caller's rooms or, with visibility=public, finds those that anybody may join.
func (v *Verbs) rooms(c *server.Call) error {
	q := c.Query()
	visibility := q.Text("visibility")
	name := strings.TrimSpace(q.Text("q"))
	cursor, limit := q.Page()
	q.Check.Require(name == "" || visibility != "", "q", "searches public rooms: add visibility=public")
	if err := q.Check.Err(); err != nil {
		return err
	}
	if visibility != "" {
		return v.findRooms(c, name, cursor, limit)
	}
	return v.roomsOf(c, c.User, cursor, limit)
}

func (v *Verbs) roomsOf(c *server.Call, user chat.UserID, cursor string, limit int) error {
	list, next, err := v.ports.Lists.RoomList(c.Ctx, user, cursor, limit)
	if err != nil {
		return err
	}
	return c.Write(protocol.AppendRoomsReply(c.Buffer(), list, next))
}

// RoomsOf lists a user's rooms as they see them, for somebody else.
func (v *Verbs) RoomsOf(c *server.Call, user chat.UserID) error {
	q := c.Query()
	cursor, limit := q.Page()
	if err := q.Check.Err(); err != nil {
		return err
	}
	return v.roomsOf(c, user, cursor, limit)
}

// findRooms finds public rooms by a part of their name.
func (v *Verbs) findRooms(c *server.Call, name, cursor string, limit int) error {
	if err := v.attempts.Search(c.Ctx, c.User, v.opts.Limits.SearchRate()); err != nil {
		return err
	}
	list, next, err := v.ports.Lists.PublicRooms(c.Ctx, name, cursor, limit)
	if err != nil {
		return err
	}
	return c.OK(publicRoomsReply{server.OrNull(next), server.Views(list, protocol.RoomView)})
}

// createRoom creates a group, or passes on to direct. The caller need not be named among the members, and may be.
func (v *Verbs) createRoom(c *server.Call, b RoomBody) error {
	var k server.Checks
	visibility := server.OrElse(b.Visibility, chat.Private)
	others := slices.DeleteFunc(server.Once(b.MemberIDs), func(id chat.UserID) bool { return id == c.User })
	if server.OrElse(b.Type, chat.Group) == chat.Direct {
		if len(others) == 0 && len(b.MemberIDs) > 0 {
			others = []chat.UserID{c.User} // notes to oneself
		}
		k.Require(len(others) == 1, "member_ids", "must name exactly one other user, or only the caller")
		k.Require(visibility != chat.Public, "visibility", "a direct room is private")
		return v.direct(c, others, k.Err())
	}
	n := chat.NewRoom{
		Owner: c.User, Name: strings.TrimSpace(b.Name), Description: strings.TrimSpace(b.Description),
		Visibility: visibility, HistoryAll: b.HistoryAll, Members: others,
	}
	if err := chat.CheckLine("name", n.Name, 1, len(n.Name)); err != nil { // a direct room needs none
		return err
	}
	made, err := v.making(c, len(others))
	if err != nil {
		return err
	}
	m, err := v.ports.Rooms.CreateRoom(c.Ctx, n)
	if made(err == nil); err != nil {
		return err
	}
	return roomCreated(c, m)
}

// direct finds or makes the one direct room of the caller and another user, or of the caller alone: only one that is made is taken from
// their allowance. bad is what is wrong with the body.
func (v *Verbs) direct(c *server.Call, others []chat.UserID, bad error) error {
	if bad != nil {
		return bad
	}
	m, err := v.ports.Rooms.FindDirect(c.Ctx, c.User, others[0])
	if err == nil {
		return c.OK(protocol.ListedRoomView(m))
	} else if chat.KindOf(err) != chat.NotFound {
		return err
	}
	invited := 1
	if others[0] == c.User {
		invited = 0
	}
	made, err := v.making(c, invited)
	if err != nil {
		return err
	}
	m, created, err := v.ports.Rooms.DirectRoom(c.Ctx, c.User, others[0])
	if made(created); err != nil {
		return err
	}
	if !created {
		return c.OK(protocol.ListedRoomView(m))
	}
	return roomCreated(c, m)
}

// roomCreated answers 201 with a new room.
func roomCreated(c *server.Call, m chat.Membership) error {
	return c.Created("/rooms/"+m.Room.ID.String(), protocol.ListedRoomView(m))
}

// room shows a room to its members, and a public one to everybody, then without the fields that depend on membership.
func (v *Verbs) room(c *server.Call) error {
	m, err := v.ports.Rooms.View(c.Ctx, c.Room, c.User)
	if err != nil {
		return err
	}
	if !m.Member.In() {
		return c.OK(protocol.RoomView(m.Room)) // a public room, seen from outside
	}
	return c.OK(protocol.ListedRoomView(m))
}

// updateRoom changes what the body holds. Who may, the store judges on the locked room.
func (v *Verbs) updateRoom(c *server.Call, b RoomPatchBody) error {
	p := chat.RoomPatch{
		Name: server.Trimmed(b.Name), Description: server.Trimmed(b.Description), Visibility: b.Visibility, HistoryAll: b.HistoryAll,
	}
	m, err := v.ports.Rooms.UpdateRoom(c.Ctx, c.Room, c.User, p)
	if err != nil {
		return err
	}
	return c.OK(protocol.ListedRoomView(m))
}

// dissolve ends a group for everybody.
func (v *Verbs) dissolve(c *server.Call) error {
	return c.Gone(v.ports.Rooms.Dissolve(c.Ctx, c.Room, c.User))
}

// transfer makes another member the owner; the caller stays as an admin.
func (v *Verbs) transfer(c *server.Call, b OwnerBody) error {
	r, err := v.ports.Members.Transfer(c.Ctx, c.Room, c.User, b.UserID)
	if err != nil {
		return err
	}
	return c.OK(protocol.RoomView(r))
}
