package table

import (
	"fmt"
	"strconv"
	"time"

	"chat-service/internal/chat"
)

// Each is database/sql's Scanner for a field of a noun.
type (
	num    uint64
	count  int
	text   string
	moment time.Time
)

// Scan implements sql.Scanner.
func (n *num) Scan(src any) (err error) {
	switch v := src.(type) {
	case nil:
		*n = 0
	case uint64:
		*n = num(v)
	case int64:
		*n = num(v)
	case []byte:
		var u uint64
		u, err = strconv.ParseUint(string(v), 10, 64)
		*n = num(u)
	default:
		err = fmt.Errorf("scan %T as a number", src)
	}
	return err
}

// Scan implements sql.Scanner.
func (c *count) Scan(src any) error {
	var n num
	err := n.Scan(src)
	*c = count(n)
	return err
}

// Scan implements sql.Scanner.
func (t *text) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*t = ""
	case []byte:
		if string(*t) != string(v) { // a row's words are often those of the row before, and then cost no memory
			*t = text(v)
		}
	case string:
		*t = text(v)
	default:
		return fmt.Errorf("scan %T as a text", src)
	}
	return nil
}

// Scan implements sql.Scanner.
func (m *moment) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*m = moment{}
	case time.Time:
		*m = moment(v)
	default:
		return fmt.Errorf("scan %T as a time", src)
	}
	return nil
}

// ID is where a room's id goes.
func ID(id *chat.RoomID) any { return (*num)(id) }

// RoomCols are the columns of a room, in the order of Room.
const RoomCols = "r.id AS r_id, r.type AS r_type, r.name AS r_name, r.description AS r_description, r.visibility AS r_visibility," +
	" r.owner_id AS r_owner_id, r.member_count AS r_member_count, r.last_seq AS r_last_seq, r.msg_count AS r_msg_count, r.epoch AS r_epoch," +
	" r.history_all AS r_history_all, r.active_at AS r_active_at, r.created_at AS r_created_at," +
	" r.dissolved_at AS r_dissolved_at"

// Room is where RoomCols go.
func Room(r *chat.Room, activeAt *time.Time) []any {
	return []any{
		(*num)(&r.ID), (*text)(&r.Type), (*text)(&r.Name), (*text)(&r.Description), (*text)(&r.Visibility), (*num)(&r.Owner),
		(*count)(&r.MemberCount), (*num)(&r.LastSeq), (*num)(&r.MsgCount), (*num)(&r.Epoch), &r.HistoryAll, (*moment)(activeAt),
		(*moment)(&r.CreatedAt), (*moment)(&r.DissolvedAt),
	}
}

// StandingCols are the columns of a member but for those that tell whose open membership it is, in the order of Standing.
const StandingCols = "m.role, m.visible_from, m.read_seq, m.read_count, m.muted_until, m.joined_at"

// Standing is where StandingCols go.
func Standing(m *chat.Member) []any {
	return []any{(*text)(&m.Role), (*num)(&m.VisibleFrom), (*num)(&m.ReadSeq), (*num)(&m.ReadCount), (*moment)(&m.MutedUntil), (*moment)(&m.JoinedAt)}
}

// MemberCols are the columns of a member, in the order of Member.
const MemberCols = "m.room_id, m.user_id, m.left_seq, " + StandingCols

// Member is where MemberCols go.
func Member(m *chat.Member) []any {
	return append([]any{(*num)(&m.Room), (*num)(&m.User), (*num)(&m.LeftSeq)}, Standing(m)...)
}

// BodyCols are the columns of a message but for its room and seq, in the order of Body.
const BodyCols = "x.ord, x.kind, x.sender_id, x.client_msg_id, x.content, x.created_at"

// Body is where BodyCols go. Kind stays empty where there is no message.
func Body(m *chat.Message) []any {
	return []any{(*num)(&m.Ord), (*text)(&m.Kind), (*num)(&m.Sender), (*text)(&m.ClientMsgID), (*text)(&m.Content), (*moment)(&m.CreatedAt)}
}

// MessageCols are the columns of a message, in the order of Message.
const MessageCols = "x.room_id, x.seq, " + BodyCols

// Message is where MessageCols go.
func Message(m *chat.Message) []any {
	return append([]any{(*num)(&m.Room), (*num)(&m.Seq)}, Body(m)...)
}

// UserCols are the columns of a user, in the order of User.
const UserCols = "u.id AS u_id, u.username AS u_username, u.nickname AS u_nickname, u.email AS u_email, u.avatar_url AS u_avatar_url," +
	" u.password_hash AS u_password_hash, u.status AS u_status, u.last_seen AS u_last_seen, u.created_at AS u_created_at"

// User is where UserCols go.
func User(u *chat.User) []any {
	return []any{
		(*num)(&u.ID), (*text)(&u.Username), (*text)(&u.Nickname), (*text)(&u.Email), (*text)(&u.AvatarURL), (*text)(&u.PasswordHash),
		(*text)(&u.Status), (*moment)(&u.LastSeen), (*moment)(&u.CreatedAt),
	}
}

// SessionCols are the columns of a login session, in the order of Session.
const SessionCols = "s.id AS s_id, s.user_id AS s_user_id, s.device AS s_device, s.created_at AS s_created_at," +
	" s.last_seen_at AS s_last_seen_at, s.expires_at AS s_expires_at, s.absolute_at AS s_absolute_at, s.revoked_at AS s_revoked_at"

// Session is where SessionCols go.
func Session(s *chat.Session, absoluteAt *time.Time) []any {
	return []any{
		(*text)(&s.ID), (*num)(&s.User), (*text)(&s.Device), (*moment)(&s.CreatedAt), (*moment)(&s.LastSeenAt),
		(*moment)(&s.ExpiresAt), (*moment)(absoluteAt), (*moment)(&s.RevokedAt),
	}
}
