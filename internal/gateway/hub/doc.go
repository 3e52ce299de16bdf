// Package hub knows which socket is in which room, and keeps each room's continuity: what a socket sees of a room has
// no hole and no repeat, and nothing above the entry at which its user left.
//
// A room's entry n is delivered only directly after n-1. Entries behind a gap are held, within bounds, and the room's
// owner (the worker that owns its partition) is asked once for what is missing and for who is still a member. What
// can't be made whole ends in a `resync` or `head` frame, and the client loads it. The hub queues frames and writes
// nothing; it knows no connection, only the interface Socket.
//
// A room is in one of three phases:
//
//	first socket: Attach sent        answered: the head
//	──────────────────────▶ attaching ────────────────▶ running ◀──────────────────────┐
//	                        ▲   ▲                        │    │                        │
//	                        │   └── new epoch: resync ───┤    │ gap, or a late head,   │ gap closed, or
//	                        │       (from any phase)     │    │ or members in doubt:   │ passed by a jump: resync
//	                        │                            │    ▼ Attach with Repair     │
//	                        └── last socket gone, ───────┴── repairing ────────────────┘
//	                            and a gap: cold
//
//	attaching  The head isn't known: entries are held. A cold room is one that hasn't even asked; only
//	           rooms without sockets are cold.
//	running    Entry delivered+1 is delivered, one at or below delivered is a repeat, and one above begins
//	           a repair.
//	repairing  Entries are held until the answer, or the entries themselves, close the gap.
//
// A room whose last socket is gone stays for some seconds, so that reconnects don't make it detach and attach; then
// Detach is sent. Every Attach and Detach has a number that counts up; an answer counts only if it has the number of
// the room's last Attach, and one that stays unanswered is sent again with its number.
//
// Who may see what: entries name the users that they add and remove, and carry the seq for it. The newest notice
// about a user stands (memberships), so that answers which were read earlier can't bring back somebody who has left.
// Where entries were skipped, a member may have left unnoticed: until a repair has confirmed the membership it is in
// doubt, and its sockets get nothing of the room.
//
// Changes of messages have numbers of their own, and a place among the entries: see changes.
//
// Locks, in the order in which they may be nested: a room shard, a user shard, a State, then what Socket.Push takes.
// Memberships are a leaf.
package hub
