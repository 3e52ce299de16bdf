// Package gateway holds the sockets: it authenticates them, turns their frames into Commands and applies Deliveries.
//
// It owns everything about one WebSocket: handshake, reading, limits, writing, pings, closing. What a room's sessions see of
// it, and in which order, is the hub's (package hub). It decides nothing: no rule of the product is judged here, and no
// database is known; Bus and Verifier are its ports. Whatever ends badly ends in a frame or a close code that says so.
//
// Goroutines: fasthttp's for handshakes, one reader per socket, GOMAXPROCS writers, one temporary writer per socket that
// would block, one ticker for all that happens by time. Deliver is called by the bus' consumer.
//
// Locks, in the order in which they may be nested: the hub's, a session's, then the wheel's or a writer's. Registry shards
// are leaves.
package gateway
