package chat

import "strconv"

// MaxID is the largest id or seq in the protocol: JSON readers keep integers exact below 2^53.
const MaxID = 1<<53 - 1

// UserID names a user. Zero is nobody: the sender of a system message.
type UserID uint64

// RoomID names a room. Zero is none.
type RoomID uint64

// Seq is a message's place in its room: 1, 2, 3 … without holes. Zero is "before the first".
type Seq uint64

// SessionID names a login session (a device); several sockets may share one.
type SessionID string

// SocketID numbers a WebSocket within one boot of one gateway.
type SocketID uint64

// GatewayID names one boot of one gateway: "<gateway>.<boot>". It is also the tail of its queue's name.
type GatewayID string

// String returns the decimal form.
func (id UserID) String() string { return strconv.FormatUint(uint64(id), 10) }

// String returns the decimal form.
func (id RoomID) String() string { return strconv.FormatUint(uint64(id), 10) }

// String returns the decimal form.
func (s Seq) String() string { return strconv.FormatUint(uint64(s), 10) }

// PartitionOf maps a key (a room's or a user's id) to one of n partitions, 0 … n-1.
//
// The mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014). It is part of an installation's stored state
// (rows carry their partition), so it must never change.
func PartitionOf(key uint64, n int) int {
	z := key + 0x9e3779b97f4a7c15
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	z ^= z >> 31
	return int(z % uint64(n))
}

// Partition returns the room's partition among n.
func (id RoomID) Partition(n int) int { return PartitionOf(uint64(id), n) }

// Partition returns the user's partition among n.
func (id UserID) Partition(n int) int { return PartitionOf(uint64(id), n) }
