package store

import "chat-service/internal/chat"

// RoomInfo is what an operator sees of a room.
type RoomInfo struct {
	Room      chat.Room
	Partition int
	Ended     int    // memberships that have ended
	Outbox    int    // announcements waiting
	TopSeq    uint64 // highest seq among its messages; differs from Room.LastSeq only in a damaged database
}

// UserInfo is what an operator sees of a user.
type UserInfo struct {
	User      chat.User
	Sessions  int // live ones
	Rooms     int // open memberships
	Partition int
}

// Totals counts the installation's rows.
type Totals struct {
	Users, Rooms, Members, Messages, Sessions, Outbox, DeadCommands int64
}
