// Package frontdoor is the reverse proxy in front of a local run: one public address for the gateways' sockets and the api.
//
// It knows its backends by address and by a function that asks for their readiness, and nothing else of the run. It is for one
// machine and not for the public internet: an installation has its own load balancer. Why it is written by hand:
// docs/adr/0012-front-door.md.
package frontdoor
