// Package line handles what depends on a room's order: stops 7 (decide) to 10 (route) of a message's road.
//
// A partition's commands form a line. Each partition belongs to one Committer, a goroutine that takes the commands that wait together: one
// transaction for all their messages, then their announcements, in room order, to the gateways that hold the rooms. Announcements of
// REST writes come from the outbox table and take the same path, outbox rows below a room's next entry first. A committer alone touches
// the states of its partitions' rooms.
//
// commit.go is a step from its commands to the commit, announce.go what it sends then, writebehind.go what it leaves to be written off the
// road.
//
// The package owns how far each room was announced; it refuses to announce out of order, to answer a send before its commit, and to
// trust Redis: routes that can't be read send a room's entries to every gateway. What only reads must not hold up a commit, so it
// leaves for stations: Station is the loop that packages lanes, sockets and catchup run.
package line
