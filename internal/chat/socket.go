package chat

import "time"

// Socket is one live WebSocket: whose it is, and where.
type Socket struct {
	User    UserID
	Session SessionID
	Gateway GatewayID
	Socket  SocketID
	Device  string    // the client's own name for its device; "" for most
	At      time.Time // when it opened, to the millisecond
}

// Registration is the outcome of entering a socket into the registry.
type Registration struct {
	First     bool     // the user had no other live socket
	OfSession []Socket // the live sockets of its login session, this one included, oldest first
	OfUser    []Socket // those of all the user's sessions, the same
}

// Route says which gateways want a room's deliveries.
type Route struct {
	Known    bool                 // false: the entry is missing or incomplete, which doesn't mean that no gateway wants them
	Ask      bool                 // not known: it is this caller's turn to ask the gateways
	Gateways map[GatewayID]uint64 // with the number of each one's last move
}
