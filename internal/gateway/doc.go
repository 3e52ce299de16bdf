// Package gateway holds the WebSockets: it authenticates them, publishes Commands for their frames and applies the
// workers' Deliveries.
//
// It owns everything about one socket: handshake, reading, limits, writing, pings, closing. It decides nothing: no
// rule of the product is applied here, and no database is reached. Bus and Verifier are its ports. What a room's
// sockets get of the room, and in which order, is the job of package hub; what single users and addresses may hold of
// the gateway, that of package bounds; what is answered to a request that opens no socket, that of package denial.
// Whatever goes wrong with a socket ends in an `error` frame or in a close code.
//
// A message passes these files:
//
//	reader.go    bytes of the socket → one frame
//	admit.go     frame → protocol.Frame → envelope.Command, by the registries; what is in flight is bounded and remembered
//
//	deliver.go   batch of the bus → envelope.Delivery → what its kind asks for; answered sends are forgotten
//	hub/         a room's entry → the room's sockets, in seq order
//	writer.go    queued frames → one write
//	turns/       what many get at once is written in turns, after what others get
//
// Goroutines: fasthttp's for handshakes, one reader per socket, GOMAXPROCS writers, one temporary writer per socket
// that would block, one that gives crowds their turns, and one ticker for everything that is timed. Deliver is called by
// the bus's consumer.
//
// Locks, in the order in which they may be nested: the hub's, a socket's, then the wheel's, the crowd's, a writer's or the bounds'.
// Registry shards are leaves.
package gateway
