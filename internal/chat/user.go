package chat

import "time"

// UserStatus says whether an account may be used.
type UserStatus string

// The statuses.
const (
	Active   UserStatus = "active"
	Disabled UserStatus = "disabled"
)

// User is an account. Email and PasswordHash never leave the process except to the owner (email).
type User struct {
	ID           UserID
	Username     string
	Nickname     string
	Email        string
	AvatarURL    string
	PasswordHash string
	Status       UserStatus
	LastSeen     time.Time // zero: never
	CreatedAt    time.Time
}

// UserPatch changes what is not nil.
type UserPatch struct {
	Nickname  *string
	AvatarURL *string
	Email     *string // trimmed and lower-cased; "" removes it
}
