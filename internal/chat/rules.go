package chat

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
