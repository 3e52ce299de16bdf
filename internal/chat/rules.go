package chat

import "time"

// Who may do what. The functions judge values that the caller has read under the room's lock; an error is Forbidden, or Conflict if
// something else must happen first, with a message for the client.

// MayInvite returns nil if the member may add others: to a public group any member, to a private one owner and admins.
func MayInvite(room Room, by Member) error {
	if room.Type == Direct {
		return E(Forbidden, "a direct room has two members, and no more can be added")
	}
	if room.Visibility == Public && by.In() || by.Role.rank() >= Admin.rank() {
		return nil
	}
	return E(Forbidden, "only owner and admins may add members to a private room")
}

// MayEdit returns nil if the member may change a group's name, description and settings: owner and admins.
func MayEdit(room Room, by Member) error {
	if room.Type == Direct {
		return E(Forbidden, "a direct room has no settings")
	}
	if by.Role.rank() < Admin.rank() {
		return E(Forbidden, "only owner and admins may change the room")
	}
	return nil
}

// MayOpen returns nil if the member may make the change, as far as it shows the room's past to those who join later: only somebody who
// sees all of it may open it. Otherwise an admin who joined late could, and would see it after leaving and joining again.
func MayOpen(room Room, by Member, p RoomPatch) error {
	opens := p.HistoryAll != nil && *p.HistoryAll && !room.HistoryAll && room.Visibility != Public ||
		p.Visibility != nil && *p.Visibility == Public && room.Visibility != Public && !room.HistoryAll
	if opens && by.VisibleFrom > 1 {
		return E(Forbidden, "only a member who sees the room from its beginning may open its history to others")
	}
	return nil
}

// MayRemove returns nil if by may remove target: owner and admins remove members of a lower rank.
func MayRemove(room Room, by, target Member) error {
	if room.Type == Direct {
		return E(Forbidden, "nobody can be removed from a direct room")
	}
	if by.Role.rank() < Admin.rank() || !by.Role.Outranks(target.Role) {
		return E(Forbidden, "only owner and admins may remove members, and only those below them")
	}
	return nil
}

// MayLeave returns nil if the member may leave: anybody a group, but its owner, who must transfer or dissolve it first.
func MayLeave(room Room, by Member) error {
	if room.Type == Direct {
		return E(Forbidden, "a direct room can't be left")
	}
	if by.Role == Owner {
		return E(Conflict, "the owner can't leave: transfer the room (POST /rooms/%d/owner) or dissolve it first", room.ID)
	}
	return nil
}

// MayOwn returns nil if the member may transfer or dissolve the group: its owner.
func MayOwn(room Room, by Member) error {
	if room.Type == Direct || by.Role != Owner {
		return E(Forbidden, "only the owner of a group may do this")
	}
	return nil
}

// MayRank returns nil if by may change the role of target: the owner makes members admins, and admins members.
func MayRank(room Room, by, target Member, to Role) error {
	if err := MayOwn(room, by); err != nil {
		return err
	}
	if to != Admin && to != Plain {
		return BadField("role", "must be admin or member")
	}
	if target.Role == Owner {
		return E(Conflict, "the owner's role changes by transfer (POST /rooms/%d/owner)", room.ID)
	}
	return nil
}

// MayMute returns nil if by may mute target: owner and admins mute members of a lower rank.
func MayMute(room Room, by, target Member) error {
	if room.Type == Direct || by.Role.rank() < Admin.rank() || !by.Role.Outranks(target.Role) {
		return E(Forbidden, "only owner and admins may mute members, and only those below them")
	}
	return nil
}

// MayEditMessage returns nil if the member may edit the message now: its author, within the window (0: always). A recalled one has
// nothing to edit.
func MayEditMessage(by Member, m Message, now time.Time, window time.Duration) error {
	switch {
	case m.Kind == System:
		return systemMessage()
	case m.Sender != by.User:
		return E(Forbidden, "only the author may edit a message")
	case m.Recalled():
		return E(Conflict, "the message was recalled")
	case window > 0 && now.Sub(m.CreatedAt) > window:
		return E(Forbidden, "a message may be edited for %v after it was sent", window)
	}
	return nil
}

// MayRecall returns nil if the member may recall the message now: its author within the window (0: always), owner and admins of a group
// at any time.
func MayRecall(room Room, by Member, m Message, now time.Time, window time.Duration) error {
	switch {
	case m.Kind == System:
		return systemMessage()
	case room.Type != Direct && by.Role.rank() >= Admin.rank():
		return nil
	case m.Sender != by.User:
		return E(Forbidden, "only the author, owner and admins may recall a message")
	case window > 0 && now.Sub(m.CreatedAt) > window:
		return E(Forbidden, "a message may be recalled for %v after it was sent", window)
	}
	return nil
}

// MayTakeBack returns nil if the application may recall the message, at any time: what a user wrote, and what it wrote itself. Other system
// messages say what happened.
func MayTakeBack(m Message) error {
	if m.Kind == System && !m.Said() {
		return systemMessage()
	}
	return nil
}

// MayReact returns nil if a member may react to the message.
func MayReact(m Message) error {
	switch {
	case m.Kind == System:
		return systemMessage()
	case m.Recalled():
		return E(Conflict, "the message was recalled")
	}
	return nil
}

// MayPin returns nil if the member may pin the message, or take its pin away: owner and admins, in a direct room both. The pin of a
// message that was recalled since can be taken away.
func MayPin(room Room, by Member, m Message, on bool) error {
	switch {
	case m.Kind == System:
		return systemMessage()
	case room.Type != Direct && by.Role.rank() < Admin.rank():
		return E(Forbidden, "only owner and admins may pin messages")
	case on && m.Recalled():
		return E(Conflict, "the message was recalled")
	}
	return nil
}

// MaySeeVersions returns nil if the member may read the message's earlier contents: its author, owner and admins.
func MaySeeVersions(room Room, by Member, m Message) error {
	if !by.In() || m.Sender != by.User && (room.Type == Direct || by.Role.rank() < Admin.rank()) {
		return E(Forbidden, "only the author, owner and admins may read the earlier versions of a message")
	}
	return nil
}

func systemMessage() *Error { return E(Forbidden, "a system message doesn't change") }
