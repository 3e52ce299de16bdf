package protocol

import "chat-service/internal/chat"

// User is how a user is shown. Email is set for its owner only.
type User struct {
	ID        chat.UserID `json:"id"`
	Username  string      `json:"username"`
	Nickname  string      `json:"nickname"`
	AvatarURL string      `json:"avatar_url,omitempty"`
	Email     string      `json:"email,omitempty"`
	CreatedAt string      `json:"created_at"`
}

// UserView shows u to others.
func UserView(u chat.User) User {
	return User{ID: u.ID, Username: u.Username, Nickname: u.Nickname, AvatarURL: u.AvatarURL, CreatedAt: chat.FormatTime(u.CreatedAt)}
}

// appendUser appends UserView(u).
func appendUser(dst []byte, u *chat.User) []byte {
	dst = appendUint(dst, `{"id":`, uint64(u.ID))
	dst = appendText(dst, `,"username":`, u.Username)
	dst = appendText(dst, `,"nickname":`, u.Nickname)
	if u.AvatarURL != "" {
		dst = appendText(dst, `,"avatar_url":`, u.AvatarURL)
	}
	return append(appendCreatedAt(dst, u.CreatedAt), '}')
}

// AppendUser appends a `user` frame: a user as others see them, whose nickname or picture has changed.
func AppendUser(dst []byte, u chat.User) []byte {
	return append(appendUser(append(dst, `{"type":"user","user":`...), &u), '}')
}
