package store

import (
	"time"

	"chat-service/internal/chat"
)

// The row types mirror the tables; gorm maps them by name. Nothing of them leaves the package.

type userRow struct {
	ID           chat.UserID `gorm:"primaryKey"`
	Username     string
	Nickname     string
	NicknameKey  string
	Email        *string
	AvatarURL    string
	PasswordHash string
	Status       chat.UserStatus
	LastSeen     *time.Time
	CreatedAt    time.Time
}

// TableName is gorm's question.
func (userRow) TableName() string { return "users" }

const userCols = "u.id AS u_id, u.username AS u_username, u.nickname AS u_nickname, u.email AS u_email, u.avatar_url AS u_avatar_url," +
	" u.password_hash AS u_password_hash, u.status AS u_status, u.last_seen AS u_last_seen, u.created_at AS u_created_at"

func (r userRow) user() chat.User {
	u := chat.User{
		ID: r.ID, Username: r.Username, Nickname: r.Nickname, AvatarURL: r.AvatarURL, PasswordHash: r.PasswordHash,
		Status: r.Status, LastSeen: at(r.LastSeen), CreatedAt: r.CreatedAt,
	}
	if r.Email != nil {
		u.Email = *r.Email
	}
	return u
}

type sessionRow struct {
	ID         chat.SessionID `gorm:"primaryKey"`
	UserID     chat.UserID
	Device     string
	CreatedAt  time.Time
	LastSeenAt time.Time
	ExpiresAt  time.Time
	AbsoluteAt time.Time
	RevokedAt  *time.Time
}

// TableName is gorm's question.
func (sessionRow) TableName() string { return "sessions" }

const sessionCols = "s.id AS s_id, s.user_id AS s_user_id, s.device AS s_device, s.created_at AS s_created_at," +
	" s.last_seen_at AS s_last_seen_at, s.expires_at AS s_expires_at, s.absolute_at AS s_absolute_at, s.revoked_at AS s_revoked_at"

func (r sessionRow) session() chat.Session {
	return chat.Session{
		ID: r.ID, User: r.UserID, Device: r.Device, CreatedAt: r.CreatedAt, LastSeenAt: r.LastSeenAt,
		ExpiresAt: r.ExpiresAt, RevokedAt: at(r.RevokedAt),
	}
}

// live tells whether the session may still be used.
func (r sessionRow) live(now time.Time) bool { return r.RevokedAt == nil && now.Before(r.ExpiresAt) }

type roomRow struct {
	ID          chat.RoomID `gorm:"primaryKey"`
	Type        chat.RoomType
	Name        string
	NameKey     string
	Description string
	Visibility  chat.Visibility
	OwnerID     chat.UserID
	DirectKey   *string
	MemberCount int
	LastSeq     chat.Seq
	MsgCount    uint64
	Epoch       uint64
	HistoryAll  bool
	PartitionNo int
	ActiveMin   int64
	ActiveAt    time.Time
	CreatedAt   time.Time
	DissolvedAt *time.Time
}

// TableName is gorm's question.
func (roomRow) TableName() string { return "rooms" }

const roomCols = "r.id AS r_id, r.type AS r_type, r.name AS r_name, r.description AS r_description, r.visibility AS r_visibility," +
	" r.owner_id AS r_owner_id, r.member_count AS r_member_count, r.last_seq AS r_last_seq, r.msg_count AS r_msg_count, r.epoch AS r_epoch," +
	" r.history_all AS r_history_all, r.partition_no AS r_partition_no, r.active_at AS r_active_at, r.created_at AS r_created_at," +
	" r.dissolved_at AS r_dissolved_at"

func (r roomRow) room() chat.Room {
	return chat.Room{
		ID: r.ID, Type: r.Type, Name: r.Name, Description: r.Description, Visibility: r.Visibility, Owner: r.OwnerID,
		MemberCount: r.MemberCount, LastSeq: r.LastSeq, MsgCount: r.MsgCount, Epoch: r.Epoch, HistoryAll: r.HistoryAll,
		CreatedAt: r.CreatedAt, DissolvedAt: at(r.DissolvedAt),
	}
}

type memberRow struct {
	RoomID      chat.RoomID `gorm:"primaryKey;autoIncrement:false"`
	UserID      chat.UserID `gorm:"primaryKey;autoIncrement:false"`
	Role        chat.Role
	VisibleFrom chat.Seq
	LeftSeq     chat.Seq
	ReadSeq     chat.Seq
	ReadCount   uint64
	MutedUntil  *time.Time
	JoinedAt    time.Time
}

// TableName is gorm's question.
func (memberRow) TableName() string { return "members" }

const memberCols = "m.room_id AS m_room_id, m.user_id AS m_user_id, m.role AS m_role, m.visible_from AS m_visible_from, m.left_seq AS m_left_seq," +
	" m.read_seq AS m_read_seq, m.read_count AS m_read_count, m.muted_until AS m_muted_until, m.joined_at AS m_joined_at"

func (r memberRow) member() chat.Member {
	return chat.Member{
		Room: r.RoomID, User: r.UserID, Role: r.Role, VisibleFrom: r.VisibleFrom, LeftSeq: r.LeftSeq, ReadSeq: r.ReadSeq,
		ReadCount: r.ReadCount, MutedUntil: at(r.MutedUntil), JoinedAt: r.JoinedAt,
	}
}

type messageRow struct {
	RoomID      chat.RoomID
	Seq         chat.Seq
	Ord         uint64
	Kind        chat.MessageKind
	SenderID    chat.UserID
	ClientMsgID []byte
	Content     string
	CreatedAt   time.Time
}

const messageCols = "x.room_id, x.seq, x.ord, x.kind, x.sender_id, x.client_msg_id, x.content, x.created_at"

func (r messageRow) message() chat.Message {
	return chat.Message{
		Room: r.RoomID, Seq: r.Seq, Ord: r.Ord, Kind: r.Kind, Sender: r.SenderID, ClientMsgID: string(r.ClientMsgID),
		Content: r.Content, CreatedAt: r.CreatedAt,
	}
}

func messagesOf(rows []messageRow) []chat.Message {
	ms := make([]chat.Message, len(rows))
	for i, r := range rows {
		ms[i] = r.message()
	}
	return ms
}

// placeRow is a member's row beside its room's.
type placeRow struct {
	Room   roomRow   `gorm:"embedded;embeddedPrefix:r_"`
	Member memberRow `gorm:"embedded;embeddedPrefix:m_"`
}

func (r placeRow) membership() chat.Membership {
	return chat.Membership{Room: r.Room.room(), Member: r.Member.member()}
}

// accountRow is a session beside its user.
type accountRow struct {
	Session sessionRow `gorm:"embedded;embeddedPrefix:s_"`
	User    userRow    `gorm:"embedded;embeddedPrefix:u_"`
}

// at reads a nullable time; NULL is the zero time.
func at(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// orNull writes the zero time as NULL.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = micros(t)
	return &t
}
