// Package stack is the private machine room behind the one-command run: it brings up real servers, runs the
// product's processes and puts one front door before them.
//
// It owns a run directory (ports, PID files, data, logs and one lock), and every process that it started there. For
// each of MySQL, Redis and RabbitMQ it takes the first source that applies: an address from the environment, binaries
// of this machine, Debian packages unpacked privately, a container engine. It refuses a directory that another run
// holds, and it never signals a process that it cannot prove to be its own.
//
// Invariants: nothing it starts listens outside the loopback; after Close no process, port or lock is left; what a
// killed run left behind is ended before the next one starts anything.
package stack
