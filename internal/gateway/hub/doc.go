// Package hub knows which session is in which room and keeps each room's continuity: what a session sees of a room has no hole
// and no repeat, and nothing above the entry at which its user left.
//
// A room's entry n is delivered only directly after n-1. Behind a gap entries are held, within bounds, and the room's owner is
// asked once for what is missing and for who is still a member; what can't be made whole ends in a `resync` or `head`
// frame. Memberships carry the seq at which they were read, and the newest stands, so that no order of arrival
// brings back somebody who has left. The hub queues frames and writes nothing; it knows no sockets, only sessions.
//
// Locks, in the order in which they may be nested: a room shard, a user shard, a state, then what Socket.Push takes. Memberships
// are a leaf.
package hub
