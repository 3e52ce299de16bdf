package chat

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of the protocol that rules check. Zero means no limit.
type Limits struct {
	MessageBytes int // UTF-8 bytes of a message's content
	RoomMembers  int // members of one room
	MembersCall  int // member_ids in one call
}

// DefaultLimits are docs/protocol.md's.
func DefaultLimits() Limits {
	return Limits{MessageBytes: 16 << 10, RoomMembers: 10_000, MembersCall: 500}
}

// CheckClientMsgID judges a sender's own id for a message.
func CheckClientMsgID(id string) error {
	ok := len(id) >= 1 && len(id) <= 36
	for i := 0; ok && i < len(id); i++ {
		c := id[i]
		ok = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '.' || c == '_' || c == ':' || c == '-'
	}
	if !ok {
		return BadField("client_msg_id", "must be 1–36 characters of A–Z a–z 0–9 . _ : -")
	}
	return nil
}

// CheckContent judges a message's text: valid UTF-8, not blank, no NUL, at most maxBytes (0: any size).
func CheckContent(s string, maxBytes int) error {
	if maxBytes > 0 && len(s) > maxBytes {
		return E(TooLarge, "content has %d bytes, the limit is %d", len(s), maxBytes)
	}
	if !utf8.ValidString(s) {
		return BadField("content", "must be valid UTF-8")
	}
	if strings.IndexByte(s, 0) >= 0 {
		return BadField("content", "must not contain NUL")
	}
	if strings.TrimSpace(s) == "" {
		return BadField("content", "must not be empty or blank")
	}
	return nil
}

// CheckLine judges a short single-line text (names, descriptions): valid UTF-8, no control characters,
// between min and max characters.
func CheckLine(field, s string, minRunes, maxRunes int) error {
	n := utf8.RuneCountInString(s)
	switch {
	case !utf8.ValidString(s):
		return BadField(field, "must be valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return BadField(field, "must not contain control characters")
	case n < minRunes || (minRunes > 0 && strings.TrimSpace(s) == ""):
		return BadField(field, "must have at least %d characters", minRunes)
	case n > maxRunes:
		return BadField(field, "must have at most %d characters", maxRunes)
	}
	return nil
}

// CheckUsername judges a username that is already normalised (NFKC, lower case, trimmed): 2–64 letters, digits, . _ -.
func CheckUsername(s string) error {
	if n := utf8.RuneCountInString(s); n < 2 || n > 64 {
		return BadField("username", "must have 2–64 characters")
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r) {
			return BadField("username", "may hold letters, digits, '.', '_' and '-' only")
		}
	}
	return nil
}

// CheckEmail judges an address that is already trimmed and lower-cased; empty is legal (no address).
func CheckEmail(s string) error {
	if s == "" {
		return nil
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 190 {
		return BadField("email", "must be an address like name@example.com of at most 190 bytes")
	}
	return nil
}

// Unread counts real messages after the read pointer: never negative.
func Unread(msgCount, readCount uint64) uint64 {
	if readCount >= msgCount {
		return 0
	}
	return msgCount - readCount
}

// Window returns the first and last seq that the member may see in a room that has come to last; ok is false
// where he may see nothing.
func (m Member) Window(last Seq) (from, to Seq, ok bool) {
	if m.User == 0 {
		return 0, 0, false
	}
	from, to = max(m.VisibleFrom, 1), last
	if m.LeftSeq != 0 && m.LeftSeq < to {
		to = m.LeftSeq
	}
	return from, to, true
}

// rank orders roles by strength.
func (r Role) rank() int {
	switch r {
	case Owner:
		return 3
	case Admin:
		return 2
	case Plain:
		return 1
	default:
		return 0
	}
}

// Outranks tells whether r stands strictly above s.
func (r Role) Outranks(s Role) bool { return r.rank() > s.rank() }

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
