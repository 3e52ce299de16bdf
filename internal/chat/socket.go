package chat

import "time"

// Socket is one live WebSocket: whose it is, where it is, and since when (At, to the millisecond).
type Socket struct {
	User    UserID
	Session SessionID
	Gateway GatewayID
	Socket  SocketID
	Device  string
	At      time.Time
}

// Registration is what was there when a socket was entered into the registry: First says that the user had no other live socket,
// OfSession are the live sockets of its login session, this one included, oldest first.
type Registration struct {
	First     bool
	OfSession []Socket
}

// Route says which gateways hold a room. Known false: the entry is missing or not whole, which is not the same as nobody; Ask says
// that the caller is the one to ask the gateways.
type Route struct {
	Known    bool
	Ask      bool
	Gateways map[GatewayID]uint64 // with the number of the attach
}
