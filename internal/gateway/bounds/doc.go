// Package bounds counts what single users and addresses hold of a gateway, so that none of them takes what is everybody's.
//
// It answers before a socket is opened whether its address and its user may have one more, and how long to wait if not. Sockets
// without a valid token are counted apart, in all and by address: they cost an attacker nothing, and must not keep out those who
// bring one. What it holds is bounded: counts of those who have sockets, and the allowances of a limited number of users and
// addresses, those that were used last. All of it is this process's own; what users share over all gateways, the workers judge.
package bounds
