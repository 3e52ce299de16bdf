// Package lanes answers, off the room's line, what only reads: who may join, who types, whose presence is watched, what a gateway lacks.
//
// A user's commands go through one lane, a goroutine that handles them one by one, so each user's order is kept and a wait for MySQL
// holds up only the users of the same lane. A gateway's repair goes through the lane of its room. The package owns a cache of who is
// a member, which is good enough for typing; it refuses to answer from it that somebody is no member without having asked.
package lanes
