// Package worker decides, commits, counts and routes: stops 6 to 11 of a message's road.
//
// Commands arrive in batches, one partition at a time and in order (Worker.Take). The table in dispatch.go says for each kind where it is
// handled; read it first. What depends on a room's order goes through package line, whose committers commit everything that waits in one
// transaction and announce it. What only reads leaves that line: for package lanes, which keeps each user's order, or for where many are
// handled at once: sockets that come and go (package sockets) and clients that catch up (package catchup). Answers leave by package
// deliver. Package jobs keeps this worker in the list of live workers, which decides the partitions that it consumes.
//
// An inbound batch is acknowledged after every answer to it was confirmed by the broker: the unacknowledged batch is the outbox of the
// socket road. REST writes come from the outbox table.
//
// Invariants: a committer is the only goroutine that touches its partitions' rooms; a room is announced in seq order; nothing is answered
// "sent" before its commit; Redis is asked but never trusted, and never waited for longer than its adapter's timeout. All goroutines are
// started by Start and waited for by Stop, which finishes what is in hand first.
package worker
