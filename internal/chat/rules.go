package chat

// MayInvite judges an invitation: in a group, any member of a public room, owner and admins of a private one.
func MayInvite(room Room, by Member) error {
	if room.Type == Direct {
		return E(Forbidden, "a direct room has exactly two members")
	}
	if room.Visibility == Public && by.In() || by.Role.rank() >= Admin.rank() {
		return nil
	}
	return E(Forbidden, "only owner and admins may add members to a private room")
}

// MayEdit judges a change of name, description or settings: owner and admins change name, description and settings of a group.
func MayEdit(room Room, by Member) error {
	if room.Type == Direct {
		return E(Forbidden, "a direct room has no settings of its own")
	}
	if by.Role.rank() < Admin.rank() {
		return E(Forbidden, "only owner and admins may change the room")
	}
	return nil
}

// MayRemove judges a kick: one may kick whom one outranks.
func MayRemove(room Room, by, target Member) error {
	if room.Type == Direct {
		return E(Forbidden, "a direct room can't be left")
	}
	if by.Role.rank() < Admin.rank() || !by.Role.Outranks(target.Role) {
		return E(Forbidden, "only owner and admins may remove members, and only those below them")
	}
	return nil
}

// MayLeave judges a leave: anybody may leave a group, except its owner, who transfers or dissolves it first.
func MayLeave(room Room, by Member) error {
	if room.Type == Direct {
		return E(Forbidden, "a direct room can't be left")
	}
	if by.Role == Owner {
		return E(Conflict, "the owner can't leave: transfer the room (POST /rooms/%d/owner) or dissolve it first", room.ID)
	}
	return nil
}

// MayOwn judges transfer and dissolution: transfer and dissolution are the owner's, in groups only.
func MayOwn(room Room, by Member) error {
	if room.Type == Direct || by.Role != Owner {
		return E(Forbidden, "only the owner of a group may do this")
	}
	return nil
}

// MayRank judges a change of role: the owner makes and unmakes admins.
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

// MayMute judges a mute: one may mute whom one outranks, as owner or admin of a group.
func MayMute(room Room, by, target Member) error {
	if room.Type == Direct || by.Role.rank() < Admin.rank() || !by.Role.Outranks(target.Role) {
		return E(Forbidden, "only owner and admins may mute members, and only those below them")
	}
	return nil
}
