// Package worker decides, commits, counts and routes: stops 6 to 11 of a message's road.
//
// Commands arrive in batches, one partition at a time and in order (Take). Writes go to the committer that the partition
// belongs to: it commits everything at hand in one transaction, then announces it, in room order, to the gateways that
// hold the room. Whatever only reads leaves that line after dispatch: for lanes that keep each user's order (watch lists,
// joins, repairs), or for where many are handled at once (connects at the door, syncs by package recovery). An inbound
// batch is acknowledged after every answer to it was confirmed by the broker, so the unacknowledged batch is the outbox of
// the socket road; REST writes come from the outbox table through relay.go.
//
// Invariants: a committer is the only goroutine that touches its partitions' room states; a room is announced in seq
// order; nothing is answered "sent" before its commit; Redis is asked but never trusted, and never waited for longer than
// its adapter's timeout. Goroutines: committers, stations, the keeper of rebuildable state, the fleet loop, the relay and
// presence sweeps; all are started by Start and waited for by Stop. Stop finishes what is in hand, then lets go.
package worker
