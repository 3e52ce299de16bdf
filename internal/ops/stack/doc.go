// Package stack runs everything on one machine with one command: it brings up real servers, starts the
// product's processes and puts one front door (a reverse proxy) in front of them.
//
// It owns a run directory (ports, PID files, data, logs and one lock), and every process that it started there. For
// each of MySQL, Redis and RabbitMQ it uses the first source that is available: an address from the environment, binaries
// of this machine, Debian packages unpacked privately, a container engine. It refuses a directory that another run
// uses, and it never signals a process that it cannot prove to be its own.
//
// Invariants: no server that it starts listens outside the loopback; after Close no process, port or lock is left; processes
// that a killed run left behind are ended before the next run starts anything.
package stack
