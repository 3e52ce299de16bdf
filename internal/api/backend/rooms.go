package backend

import (
	"fmt"
	"strings"

	"chat-service/internal/api/rooms"
	"chat-service/internal/api/server"
	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// SpaceBody is what the application says of a group: what is left out stays as it is, or is what POST /rooms makes it.
type SpaceBody struct {
	Name        *string          `json:"name,omitempty" minLength:"1" maxLength:"128" text:"line" example:"Gardeners"`
	Description *string          `json:"description,omitempty" maxLength:"1024" text:"lines" example:"What grows"`
	Visibility  *chat.Visibility `json:"visibility,omitempty" enum:"private,public" example:"private"`
	HistoryAll  *bool            `json:"history_all,omitempty"`
	Owner       *string          `json:"owner,omitempty" minLength:"1" maxBytes:"140" rule:"as in a path: a number, ext: or ext64:; of a room that is there, a member" example:"ext:ann"`
	Members     []string         `json:"members,omitempty" limit:"members_call" rule:"each as in a path" doc:"of a new room, besides the owner"`
}

// DirectBody names who is in a direct room.
type DirectBody struct {
	Type    chat.RoomType `json:"type" required:"true" enum:"direct" doc:"groups are made by PUT" example:"direct"`
	Members []string      `json:"members" required:"true" minItems:"1" maxItems:"2" rule:"two users, each as in a path, or one who writes notes" example:"[\"ext:ann\"]"`
}

// PlaceBody is what the application says of a member; it may be left out.
type PlaceBody struct {
	Role *chat.Role `json:"role,omitempty" enum:"admin,member" doc:"left out: as it is" example:"admin"`
}

// SaidBody is a message to send in somebody's name.
type SaidBody struct {
	As          string        `json:"as" required:"true" minLength:"1" maxBytes:"140" rule:"a member, as in a path: a number, ext: or ext64:; or system" doc:"system: a system message that says content, of nobody" example:"ext:ann"`
	Content     string        `json:"content,omitempty" limit:"message_bytes" rule:"something to see, and no NUL; empty only beside data" example:"Hello"`
	Data        server.Object `json:"data,omitzero" rule:"an object within limits.data_bytes and limits.data_depth, no name twice"`
	ReplyTo     *chat.Seq     `json:"reply_to,omitempty" minimum:"1" rule:"a message of the same room that the member may see"`
	ClientMsgID *string       `json:"client_msg_id,omitempty" minLength:"1" maxLength:"36" pattern:"^[A-Za-z0-9._:-]*$" doc:"a retry with the same id returns the first result; the server makes one if left out" example:"m-1"`
}

// space finds the living room that the path names, which is the call's room then: chat.NotFound if there is none.
func (v *Verbs) space(c *server.Call) (chat.Room, error) {
	r, err := v.anySpace(c)
	if err == nil && !r.DissolvedAt.IsZero() {
		err = chat.E(chat.NotFound, "no such room")
	}
	return r, err
}

// anySpace is space of a dissolved room, too.
func (v *Verbs) anySpace(c *server.Call) (r chat.Room, err error) {
	if c.RoomRef.ID != 0 {
		r, err = v.ports.Spaces.Room(c.Ctx, chat.RoomID(c.RoomRef.ID))
	} else {
		r, err = v.ports.Spaces.ExternalRoom(c.Ctx, c.RoomRef.Own)
	}
	c.Room = r.ID
	return r, err
}

// inBody finds the user whom a body names: chat.Invalid about the field if that is nobody.
func (v *Verbs) inBody(c *server.Call, field, text string) (chat.User, error) {
	ref, err := chat.ParseRef(field, text)
	var u chat.User
	if err == nil {
		u, err = v.person(c, ref)
	}
	if chat.KindOf(err) == chat.NotFound {
		err = chat.BadField(field, "names nobody")
	}
	return u, err
}

// putRoom makes a group, or changes one. The changes are by the owner, because clients know only users; the audit trail says who it was.
func (v *Verbs) putRoom(c *server.Call, b SpaceBody) error {
	var k server.Checks
	for i, text := range b.Members { // also those of a room that is there, for whom they are nothing new
		_, err := chat.ParseRef(fmt.Sprintf("members[%d]", i), text)
		if chat.KindOf(err) != chat.NotFound {
			k.Add(err)
		}
	}
	if err := k.Err(); err != nil {
		return err
	}
	r, err := v.anySpace(c)
	switch {
	case err == nil && !r.DissolvedAt.IsZero():
		return chat.E(chat.Conflict, "the room was dissolved: its id names no other one")
	case err == nil:
		return v.changeSpace(c, r, b)
	case chat.KindOf(err) != chat.NotFound || c.RoomRef.ID != 0:
		return err
	}
	n, err := v.newSpace(c, b)
	if err != nil {
		return err
	}
	r, made, err := v.ports.Spaces.ProvideRoom(c.Ctx, c.RoomRef.Own, n)
	if err != nil {
		return err
	}
	if c.Room = r.ID; made {
		return c.Created("/server/rooms/"+r.ID.String(), protocol.RoomView(r))
	}
	return v.changeSpace(c, r, b) // another call was quicker
}

// newSpace is the group that the body describes.
func (v *Verbs) newSpace(c *server.Call, b SpaceBody) (n chat.NewRoom, err error) {
	var k server.Checks
	k.Require(b.Name != nil, "name", "is required for a new room")
	k.Require(b.Owner != nil, "owner", "is required for a new room")
	if err := k.Err(); err != nil {
		return n, err
	}
	n = chat.NewRoom{
		Name: strings.TrimSpace(*b.Name), Description: strings.TrimSpace(server.OrElse(b.Description, "")),
		Visibility: server.OrElse(b.Visibility, chat.Private), HistoryAll: server.OrElse(b.HistoryAll, false),
	}
	owner, err := v.inBody(c, "owner", *b.Owner)
	if err != nil {
		return n, err
	}
	n.Owner = owner.ID
	for i, text := range b.Members {
		u, err := v.inBody(c, fmt.Sprintf("members[%d]", i), text)
		if err != nil {
			return n, err
		}
		n.Members = append(n.Members, u.ID)
	}
	return n, nil
}

// changeSpace changes what the body holds of a group: first what it is like, in the old owner's name, then who owns it.
func (v *Verbs) changeSpace(c *server.Call, r chat.Room, b SpaceBody) error {
	if r.Type == chat.Direct {
		return chat.MayEdit(r, chat.Member{})
	}
	owner := chat.User{ID: r.Owner}
	var err error
	if b.Owner != nil {
		if owner, err = v.inBody(c, "owner", *b.Owner); err != nil {
			return err
		}
	}
	p := chat.RoomPatch{Name: server.Trimmed(b.Name), Description: server.Trimmed(b.Description), Visibility: b.Visibility, HistoryAll: b.HistoryAll}
	if p != (chat.RoomPatch{}) {
		m, err := v.ports.Rooms.UpdateRoom(c.Ctx, r.ID, r.Owner, p)
		if err != nil {
			return err
		}
		r = m.Room
	}
	if owner.ID != r.Owner {
		if r, err = v.ports.Spaces.Appoint(c.Ctx, r.ID, owner.ID); chat.KindOf(err) == chat.NotFound {
			return chat.BadField("owner", "must be a member of the room")
		} else if err != nil {
			return err
		}
	}
	return c.OK(protocol.RoomView(r))
}

// showRoom shows any living room.
func (v *Verbs) showRoom(c *server.Call) error {
	r, err := v.space(c)
	if err != nil {
		return err
	}
	return c.OK(protocol.RoomView(r))
}

// membership finds a group and the user whom the path names.
func (v *Verbs) membership(c *server.Call) (chat.Room, error) {
	r, err := v.space(c)
	if err == nil {
		_, err = v.named(c)
	}
	if err == nil && r.Type == chat.Direct {
		err = chat.MayInvite(r, chat.Member{})
	}
	return r, err
}

// putMember adds one member, in the owner's name, and gives them the role that the body names.
func (v *Verbs) putMember(c *server.Call, b PlaceBody) error {
	r, err := v.membership(c)
	if err != nil {
		return err
	}
	added, err := v.ports.Members.AddMembers(c.Ctx, r.ID, r.Owner, []chat.UserID{c.Target})
	if err == nil && b.Role != nil {
		_, err = v.ports.Members.SetRole(c.Ctx, r.ID, r.Owner, c.Target, *b.Role)
	}
	if err != nil {
		return err
	}
	return c.OK(rooms.AddReply{Added: append([]chat.UserID{}, added...)})
}

// dropMember removes one member, in the owner's name.
func (v *Verbs) dropMember(c *server.Call) error {
	r, err := v.membership(c)
	if err != nil {
		return err
	}
	return c.Gone(v.ports.Members.RemoveMember(c.Ctx, r.ID, r.Owner, c.Target))
}

// dissolve ends a group for everybody.
func (v *Verbs) dissolve(c *server.Call) error {
	r, err := v.space(c)
	if err == nil {
		err = v.ports.Spaces.Close(c.Ctx, r.ID)
	}
	return c.Gone(err)
}

// openDirect finds or makes the one direct room of two users, or of one with themselves.
func (v *Verbs) openDirect(c *server.Call, b DirectBody) error {
	var ids []chat.UserID
	for i, text := range b.Members {
		u, err := v.inBody(c, fmt.Sprintf("members[%d]", i), text)
		if err != nil {
			return err
		}
		ids = append(ids, u.ID)
	}
	if len(ids) == 2 && ids[0] == ids[1] {
		return chat.BadField("members[1]", "is there twice")
	}
	m, made, err := v.ports.Rooms.DirectRoom(c.Ctx, ids[0], ids[len(ids)-1])
	if err != nil {
		return err
	}
	if c.Room = m.Room.ID; made {
		return c.Created("/server/rooms/"+m.Room.ID.String(), protocol.RoomView(m.Room))
	}
	return c.OK(protocol.RoomView(m.Room))
}

// wholeMembers lists who is in any living room.
func (v *Verbs) wholeMembers(c *server.Call) error {
	r, err := v.space(c)
	if err != nil {
		return err
	}
	return v.opts.Rooms.MembersBy(c, func(after chat.UserID, limit int) ([]chat.MemberUser, error) {
		return v.ports.Spaces.WholeMembers(c.Ctx, r.ID, after, limit)
	})
}

// showMessage shows one message of any living room.
func (v *Verbs) showMessage(c *server.Call) error {
	r, err := v.space(c)
	if err != nil {
		return err
	}
	ms, err := v.ports.Logs.Messages(c.Ctx, r.ID, c.Seq, c.Seq, 1)
	if err == nil && len(ms) == 0 {
		err = chat.E(chat.NotFound, "no such message")
	}
	if err != nil {
		return err
	}
	return c.Write(protocol.AppendShownTo(c.Buffer(), &ms[0], nil))
}

// asSystem is who says what no user does.
const asSystem = "system"

// postAs sends a message in a member's name, by the rules that hold for them, or in the system's.
func (v *Verbs) postAs(c *server.Call, b SaidBody) error {
	key, there, err := c.Key()
	var k server.Checks
	if k.Add(err); err == nil && there {
		k.Require(chat.CheckClientMsgID(key) == nil, server.HeaderKey, "must be 1–36 characters of A–Z a–z 0–9 . _ : -")
		if b.ClientMsgID == nil {
			b.ClientMsgID = &key
		}
	}
	if err := k.Err(); err != nil {
		return err
	}
	if _, err := v.space(c); err != nil {
		return err
	}
	var u chat.User // nobody is the system
	if b.As != asSystem {
		if u, err = v.inBody(c, "as", b.As); err != nil {
			return err
		}
	}
	if c.Target = u.ID; u.Status == chat.Disabled {
		return chat.E(chat.Blocked, "")
	}
	return v.opts.Rooms.PostBy(c, u.ID, rooms.MessageBody{Content: b.Content, Data: b.Data, ReplyTo: b.ReplyTo, ClientMsgID: b.ClientMsgID})
}

// recallFor takes a message back: in a group in its owner's name, who may at any time, in a direct room in its author's; what the
// application said as the system in nobody's.
func (v *Verbs) recallFor(c *server.Call) error {
	r, err := v.space(c)
	if err != nil {
		return err
	}
	ms, err := v.ports.Logs.Messages(c.Ctx, r.ID, c.Seq, c.Seq, 1)
	switch {
	case err != nil:
		return err
	case len(ms) == 0:
		return chat.E(chat.NotFound, "no such message")
	case ms[0].Said():
		return v.opts.Rooms.ChangeBy(c, 0, chat.Change{Kind: chat.ChangeRecall, App: true}, &server.Checks{})
	case ms[0].Kind == chat.System:
		return chat.MayRecall(r, chat.Member{}, ms[0], v.opts.Now(), 0)
	}
	by := r.Owner
	if r.Type == chat.Direct {
		by = ms[0].Sender
	}
	return v.opts.Rooms.ChangeBy(c, by, chat.Change{Kind: chat.ChangeRecall}, &server.Checks{})
}

// wholeHistory reads a stretch of any living room.
func (v *Verbs) wholeHistory(c *server.Call) error {
	if _, err := v.space(c); err != nil {
		return err
	}
	q, err := rooms.HistoryQuery(c)
	if err != nil {
		return err
	}
	p, err := v.ports.Logs.WholeHistory(c.Ctx, q)
	if err != nil {
		return err
	}
	return c.Write(protocol.AppendHistoryReply(c.Buffer(), p, q, nil))
}
