package api

import (
	"net/http"
	"slices"
	"strings"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

const (
	maxRoomName    = 128  // characters
	maxDescription = 1024 // characters
)

// RoomBody asks for a room.
type RoomBody struct {
	Type        chat.RoomType   `json:"type,omitempty" enum:"group,direct" doc:"group where left out"`
	Name        string          `json:"name,omitempty" doc:"of a group: 1–128 characters"`
	Description string          `json:"description,omitempty" doc:"up to 1024 characters"`
	Visibility  chat.Visibility `json:"visibility,omitempty" enum:"private,public" doc:"private where left out"`
	HistoryAll  bool            `json:"history_all,omitempty" doc:"who joins a private group later sees it from its beginning"`
	MemberIDs   []chat.UserID   `json:"member_ids,omitempty" doc:"up to 500; of a direct room: the other person"`
}

// RoomPatchBody changes what it holds of a group.
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

// RoomsReply is a page of the caller's rooms; of public rooms without what only a member has.
type RoomsReply struct {
	Rooms      []protocol.ListedRoom `json:"rooms"`
	NextCursor *string               `json:"next_cursor" doc:"null on the last page"`
}

func (s *Server) rooms(c *call) error {
	q := query{c: c.Ctx}
	visibility := q.oneOf("visibility", string(chat.Public))
	name := strings.TrimSpace(q.text("q", maxQuery))
	cursor, limit := q.page()
	q.check.bad(name == "" || visibility != "", "q", "searches public rooms: add visibility=public")
	if err := q.check.err(); err != nil {
		return err
	}
	if visibility != "" {
		return s.findRooms(c, name, cursor, limit)
	}
	list, next, err := s.ports.Lists.RoomList(c.ctx, c.user, cursor, limit)
	if err != nil {
		return err
	}
	return c.write(protocol.AppendRoomsReply(c.buffer(), list, next))
}

func (s *Server) findRooms(c *call, name, cursor string, limit int) error {
	list, next, err := s.ports.Lists.PublicRooms(c.ctx, name, cursor, limit)
	if err != nil {
		return err
	}
	return c.ok(map[string]any{"rooms": views(list, protocol.RoomView), "next_cursor": orNull(next)})
}

func (s *Server) createRoom(c *call, b RoomBody) error {
	var k checks
	k.bad(b.Type == "" || b.Type == chat.Group || b.Type == chat.Direct, "type", "must be group or direct")
	k.bad(b.Visibility == "" || b.Visibility == chat.Private || b.Visibility == chat.Public, "visibility", "must be private or public")
	ids, err := distinct("member_ids", b.MemberIDs, 0, s.opts.Limits.MembersCall)
	k.add(err)
	others := slices.DeleteFunc(ids, func(id chat.UserID) bool { return id == c.user })
	if b.Type == chat.Direct {
		k.bad(len(others) == 1, "member_ids", "must name exactly one other person")
		k.bad(b.Visibility != chat.Public, "visibility", "a direct room is private")
		return s.direct(c, others, k.err())
	}
	n := chat.NewRoom{
		Owner: c.user, Name: strings.TrimSpace(b.Name), Description: strings.TrimSpace(b.Description),
		Visibility: b.Visibility, HistoryAll: b.HistoryAll, Members: others,
	}
	k.add(chat.CheckLine("name", n.Name, 1, maxRoomName))
	k.add(checkText("description", n.Description, maxDescription))
	if err := k.err(); err != nil {
		return err
	}
	if n.Visibility == "" {
		n.Visibility = chat.Private
	}
	m, err := s.ports.Rooms.CreateRoom(c.ctx, n)
	if err != nil {
		return err
	}
	return c.created(m)
}

func (s *Server) direct(c *call, others []chat.UserID, bad error) error {
	if bad != nil {
		return bad
	}
	m, created, err := s.ports.Rooms.DirectRoom(c.ctx, c.user, others[0])
	if err != nil {
		return err
	}
	if !created {
		return c.ok(protocol.ListedRoomView(m))
	}
	return c.created(m)
}

func (c *call) created(m chat.Membership) error {
	c.Location("/api/v1/rooms/" + m.Room.ID.String())
	return c.reply(http.StatusCreated, protocol.ListedRoomView(m))
}

// checkText is chat.CheckLine for texts that may have several lines.
func checkText(field, text string, most int) error {
	return chat.CheckLine(field, strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(text), 0, most)
}

func (s *Server) room(c *call) error {
	m, err := s.ports.Rooms.View(c.ctx, c.room, c.user)
	if err != nil {
		return err
	}
	if !m.Member.In() {
		return c.ok(protocol.RoomView(m.Room)) // a public room that the caller may join
	}
	return c.ok(protocol.ListedRoomView(m))
}

func (s *Server) updateRoom(c *call, b RoomPatchBody) error {
	p := chat.RoomPatch{Name: trimmed(b.Name), Description: trimmed(b.Description), Visibility: b.Visibility, HistoryAll: b.HistoryAll}
	var k checks
	if p.Name != nil {
		k.add(chat.CheckLine("name", *p.Name, 1, maxRoomName))
	}
	if p.Description != nil {
		k.add(checkText("description", *p.Description, maxDescription))
	}
	if p.Visibility != nil {
		k.bad(*p.Visibility == chat.Private || *p.Visibility == chat.Public, "visibility", "must be private or public")
	}
	if err := k.err(); err != nil {
		return err
	}
	m, err := s.ports.Rooms.UpdateRoom(c.ctx, c.room, c.user, p)
	if err != nil {
		return err
	}
	return c.ok(protocol.ListedRoomView(m))
}

func (s *Server) dissolve(c *call) error {
	return c.gone(s.ports.Rooms.Dissolve(c.ctx, c.room, c.user))
}

func (s *Server) transfer(c *call, b OwnerBody) error {
	if b.UserID == 0 || b.UserID > chat.MaxID {
		return chat.BadField("user_id", "must be an id from 1 to 2^53-1")
	}
	r, err := s.ports.Members.Transfer(c.ctx, c.room, c.user, b.UserID)
	if err != nil {
		return err
	}
	return c.ok(protocol.RoomView(r))
}
