package api

import (
	"slices"
	"strings"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

const (
	maxRoomName    = 128  // characters
	maxDescription = 1024 // characters
)

// RoomBody describes a new room.
type RoomBody struct {
	Type        chat.RoomType   `json:"type,omitempty" enum:"group,direct" doc:"group if left out"`
	Name        string          `json:"name,omitempty" doc:"of a group: 1–128 characters"`
	Description string          `json:"description,omitempty" doc:"up to 1024 characters"`
	Visibility  chat.Visibility `json:"visibility,omitempty" enum:"private,public" doc:"private if left out"`
	HistoryAll  bool            `json:"history_all,omitempty" doc:"members who join a private group later see it from its beginning"`
	MemberIDs   []chat.UserID   `json:"member_ids,omitempty" doc:"up to 500; of a direct room: the other user"`
}

// RoomPatchBody changes those fields of a group that it holds.
type RoomPatchBody struct {
	Name        *string          `json:"name,omitempty"`
	Description *string          `json:"description,omitempty"`
	Visibility  *chat.Visibility `json:"visibility,omitempty" enum:"private,public"`
	HistoryAll  *bool            `json:"history_all,omitempty"`
}

// OwnerBody names a group's next owner.
type OwnerBody struct {
	UserID chat.UserID `json:"user_id" required:"true"`
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
func (s *station) rooms(c *server.Call) error {
	q := c.Query()
	visibility := q.Text("visibility")
	name := strings.TrimSpace(q.Text("q"))
	cursor, limit := q.Page()
	q.Check.Require(name == "" || visibility != "", "q", "searches public rooms: add visibility=public")
	if err := q.Check.Err(); err != nil {
		return err
	}
	if visibility != "" {
		return s.findRooms(c, name, cursor, limit)
	}
	list, next, err := s.ports.Lists.RoomList(c.Ctx, c.User, cursor, limit)
	if err != nil {
		return err
	}
	return c.Write(protocol.AppendRoomsReply(c.Buffer(), list, next))
}

// findRooms finds public rooms by a part of their name.
func (s *station) findRooms(c *server.Call, name, cursor string, limit int) error {
	list, next, err := s.ports.Lists.PublicRooms(c.Ctx, name, cursor, limit)
	if err != nil {
		return err
	}
	return c.OK(publicRoomsReply{orNull(next), server.Views(list, protocol.RoomView)})
}

// createRoom creates a group, or passes on to direct. The caller need not be named among the members, and may be.
func (s *station) createRoom(c *server.Call, b RoomBody) error {
	var k server.Checks
	k.Require(b.Type == "" || b.Type == chat.Group || b.Type == chat.Direct, "type", "must be group or direct")
	k.Require(b.Visibility == "" || knownVisibility(b.Visibility), "visibility", "must be private or public")
	ids, err := server.Distinct("member_ids", b.MemberIDs, 0, s.opts.Limits.MembersCall)
	k.Add(err)
	others := slices.DeleteFunc(ids, func(id chat.UserID) bool { return id == c.User })
	if b.Type == chat.Direct {
		k.Require(len(others) == 1, "member_ids", "must name exactly one other user")
		k.Require(b.Visibility != chat.Public, "visibility", "a direct room is private")
		return s.direct(c, others, k.Err())
	}
	n := chat.NewRoom{
		Owner: c.User, Name: strings.TrimSpace(b.Name), Description: strings.TrimSpace(b.Description),
		Visibility: b.Visibility, HistoryAll: b.HistoryAll, Members: others,
	}
	k.Add(chat.CheckLine("name", n.Name, 1, maxRoomName))
	k.Add(checkText("description", n.Description, maxDescription))
	if err := k.Err(); err != nil {
		return err
	}
	if n.Visibility == "" {
		n.Visibility = chat.Private
	}
	m, err := s.ports.Rooms.CreateRoom(c.Ctx, n)
	if err != nil {
		return err
	}
	return roomCreated(c, m)
}

// knownVisibility reports whether v is one of the two that there are.
func knownVisibility(v chat.Visibility) bool { return v == chat.Private || v == chat.Public }

// direct finds or makes the one direct room of the caller and another user. bad is what is wrong with the body.
func (s *station) direct(c *server.Call, others []chat.UserID, bad error) error {
	if bad != nil {
		return bad
	}
	m, created, err := s.ports.Rooms.DirectRoom(c.Ctx, c.User, others[0])
	if err != nil {
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

// checkText is chat.CheckLine for texts that may have several lines.
func checkText(field, text string, limit int) error {
	return chat.CheckLine(field, strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(text), 0, limit)
}

// room shows a room to its members, and a public one to everybody, then without the fields that depend on membership.
func (s *station) room(c *server.Call) error {
	m, err := s.ports.Rooms.View(c.Ctx, c.Room, c.User)
	if err != nil {
		return err
	}
	if !m.Member.In() {
		return c.OK(protocol.RoomView(m.Room)) // a public room, seen from outside
	}
	return c.OK(protocol.ListedRoomView(m))
}

// updateRoom changes what the body holds. Who may, the store judges on the locked room.
func (s *station) updateRoom(c *server.Call, b RoomPatchBody) error {
	p := chat.RoomPatch{
		Name: trimmed(b.Name), Description: trimmed(b.Description), Visibility: b.Visibility, HistoryAll: b.HistoryAll,
	}
	var k server.Checks
	if p.Name != nil {
		k.Add(chat.CheckLine("name", *p.Name, 1, maxRoomName))
	}
	if p.Description != nil {
		k.Add(checkText("description", *p.Description, maxDescription))
	}
	if p.Visibility != nil {
		k.Require(knownVisibility(*p.Visibility), "visibility", "must be private or public")
	}
	if err := k.Err(); err != nil {
		return err
	}
	m, err := s.ports.Rooms.UpdateRoom(c.Ctx, c.Room, c.User, p)
	if err != nil {
		return err
	}
	return c.OK(protocol.ListedRoomView(m))
}

// dissolve ends a group for everybody.
func (s *station) dissolve(c *server.Call) error {
	return c.Gone(s.ports.Rooms.Dissolve(c.Ctx, c.Room, c.User))
}

// transfer makes another member the owner; the caller stays as an admin.
func (s *station) transfer(c *server.Call, b OwnerBody) error {
	if b.UserID == 0 || b.UserID > chat.MaxID {
		return chat.BadField("user_id", "must be an id from 1 to 2^53-1")
	}
	r, err := s.ports.Members.Transfer(c.Ctx, c.Room, c.User, b.UserID)
	if err != nil {
		return err
	}
	return c.OK(protocol.RoomView(r))
}
