package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"chat-service/internal/auth"
	"chat-service/internal/chat"
	"chat-service/internal/store"
)

// db shows store.DB as the api's ports name it: the values are the same, each wall has its own names for them.
type db struct{ *store.DB }

// UpdateUser changes a profile.
func (d db) UpdateUser(ctx context.Context, id chat.UserID, p chat.UserPatch) (chat.User, error) {
	return d.DB.UpdateUser(ctx, id, store.UserPatch(p))
}

// OpenSession stores a login session.
func (d db) OpenSession(ctx context.Context, n chat.NewSession) error {
	return d.DB.OpenSession(ctx, store.NewSession(n))
}

// RotateRefresh exchanges a refresh token.
func (d db) RotateRefresh(ctx context.Context, r chat.Rotation) (chat.Session, chat.User, error) {
	return d.DB.RotateRefresh(ctx, store.Rotation(r))
}

// CreateRoom makes a group.
func (d db) CreateRoom(ctx context.Context, n chat.NewRoom) (chat.Membership, error) {
	return d.DB.CreateRoom(ctx, store.NewRoom(n))
}

// UpdateRoom changes a group's settings.
func (d db) UpdateRoom(ctx context.Context, room chat.RoomID, by chat.UserID, p chat.RoomPatch) (chat.Membership, error) {
	return d.DB.UpdateRoom(ctx, room, by, store.RoomPatch(p))
}

// Members lists members with their accounts.
func (d db) Members(ctx context.Context, room chat.RoomID, viewer, after chat.UserID, limit int) ([]chat.MemberUser, error) {
	list, err := d.DB.Members(ctx, room, viewer, after, limit)
	out := make([]chat.MemberUser, len(list))
	for i, m := range list {
		out[i] = chat.MemberUser(m)
	}
	return out, err
}

// History reads a stretch of a log.
func (d db) History(ctx context.Context, q chat.HistoryQuery) (chat.HistoryPage, error) {
	p, err := d.DB.History(ctx, store.HistoryQuery(q))
	return chat.HistoryPage(p), err
}

// tokens are auth's access tokens, and refresh tokens whose successors follow from them by a key that only the
// processes of an installation know: parallel refreshes agree, and a stolen token tells nothing of the later ones.
type tokens struct {
	*auth.Tokens
	key []byte
}

// NewRefresh returns a refresh token and its hash.
func (t tokens) NewRefresh() (token string, hash [32]byte) {
	text, h := auth.NewRefresh()
	return text, h
}

// NextRefresh returns a refresh token's hash, its successor and that one's hash.
func (t tokens) NextRefresh(token string) (hash [32]byte, next string, nextHash [32]byte) {
	mac := hmac.New(sha256.New, t.key)
	mac.Write([]byte(token))
	next = base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	return auth.HashRefresh(token), next, auth.HashRefresh(next)
}
