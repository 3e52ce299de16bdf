// Package usage accounts the CPU and memory of the processes of a system, from /proc.
//
// It owns snapshots and the difference between two of them: for each named process with the helpers that it forked, for the
// tool itself, and for everything else on the machine. It refuses to compare snapshots between which a process was restarted.
package usage
