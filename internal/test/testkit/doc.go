// Package testkit is what tests of the whole need: addresses of real servers, private corners on them, faults, clients,
// processes and a checker of the promises.
//
// It refuses to skip: a test whose server is missing fails and says how to get one. Nothing in it waits for a fixed time;
// what may take a while is polled with a deadline. It speaks to the product from outside only (sockets, HTTP, SQL), so
// it can't share the product's mistakes.
package testkit
