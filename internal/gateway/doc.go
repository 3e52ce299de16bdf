// Package gateway holds the sockets: it authenticates them, turns their frames into Commands and applies Deliveries.
//
// It owns everything about one WebSocket (handshake, reading, limits, writing, pings, closing) and, per room, the
// continuity of what its sockets see: a room's entry n leaves only directly after n-1, nobody gets an entry above the
// one at which he left, and what can't be made whole is said (resync, head, a close code), never dropped silently.
// It decides nothing: no rule of the product is judged here, and no database is known. Bus and Verifier are its ports.
//
// Goroutines: fasthttp's for handshakes, one reader per socket, GOMAXPROCS writers, one temporary writer per socket that
// would block, one ticker. Deliver is called by the bus' consumer.
//
// Locks, in the order in which they may be nested: a room shard, a user shard, a session, then the wheel or a writer's
// queue. Facts, registry shards and the window's counters are leaves.
package gateway
