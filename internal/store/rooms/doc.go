// Package rooms keeps rooms and who is in them: it creates, changes and dissolves rooms, adds and removes members, and
// lists both.
//
// Every change of a room or of its members takes the room's row lock, judges by the rules of package chat on the rows
// that it holds, writes a system message with the room's next seq, and leaves the announcement in the outbox, in one
// transaction. Locks are taken in the order rooms → members → messages. Lists that many ask for at once are one
// statement, whose number doesn't grow with the askers.
package rooms
