// Package state is Redis: who is connected where, which gateway wants which room, and short-lived caches.
//
// It owns the key names, the few Lua scripts and the circuit breaker in front of the server. Everything in it can be
// rebuilt: sockets and routes by asking the gateways again (Generation shows when), heads and recent messages from
// MySQL. It refuses to be waited for: a verb takes at most Options.Timeout, and after a few failures in a row it fails at
// once until the next probe. Every error that leaves it is of kind chat.Unavailable; what that means for a message,
// a presence or a login is the caller's decision.
//
// state.go is what every message runs: Count, and the call within the breaker that all verbs make.
//
// Keys that are touched by one script or transaction share a hash tag, so a Redis Cluster serves as well as one server.
// Nothing newer than Redis 7.0 is used.
package state
