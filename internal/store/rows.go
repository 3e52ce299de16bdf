package store

import (
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/table"
)

// The row types mirror the tables; gorm maps them by name. Nothing of them leaves the package. The lists that are read most
// go past them, by package scan.

const (
	sessionCols = table.SessionCols
	userCols    = table.UserCols
	roomCols    = table.RoomCols
)

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
