// Package messages keeps the rooms' logs: it appends to them, moves read pointers over them and reads stretches of
// them.
//
// append.go is the hot path of the product, and reads from top to bottom as one acknowledged message goes: lock the
// rooms, look up what is there, judge, write, commit; two round trips for a whole batch. It is the only place where a
// seq is taken, under the row lock of the room; Say takes one for a system message under the same lock.
//
// A room's seqs are dense and begin at 1; a message's ord is the number of users' messages up to it. Where a user
// stands in a room's log (Membership, Places) decides what of it they may read: every read for a user is clamped to
// that.
package messages
