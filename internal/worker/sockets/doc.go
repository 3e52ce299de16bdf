// Package sockets keeps the registry of live sockets, and presence, which follows from it and from the gateways' leases.
//
// Sockets come and go in crowds, so those that wait are handled together: registered first, then their users' rooms are read, so that
// nothing can fall between the two, and welcomed. A socket's end is retried until Redis has taken it. By sweeps the package publishes
// who is offline after a grace, buries gateways whose lease has lapsed, and asks gateways for their sockets and rooms when Redis lost
// them. It refuses to judge a lease while heartbeats can't arrive: presence is unknown then, never falsely offline.
package sockets
