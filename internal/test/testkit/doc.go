// Package testkit is what tests of the whole system need: addresses of real servers, private databases and queue names on
// them, injected faults, clients and processes. Its subpackage history judges what the clients saw.
//
// It never skips: a test whose server is missing fails and says how to get one. Nothing in it waits for a fixed time: what
// may take a while is polled with a deadline. It talks to the product from outside only (sockets, HTTP, SQL), so that it
// can't share the product's mistakes.
package testkit
