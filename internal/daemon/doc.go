// Package daemon starts the parts of a process in order and stops them in reverse.
//
// It owns the life cycle of a process: signals, the order of starting and stopping, deadlines, and the flags that every
// binary has. It knows nothing about what the parts do.
//
// Invariants: what has started is stopped exactly once, in reverse order, whatever went wrong; a part that fails to
// start is not stopped and must clean up after itself; stopping is bounded in total, and no part can use up the time
// of those after it; a second signal ends the waiting at once. Only main calls os.Exit.
package daemon
