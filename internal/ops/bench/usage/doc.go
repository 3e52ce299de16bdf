// Package usage accounts the CPU and memory of the processes of a system, from /proc.
//
// It owns snapshots and what lies between two of them: per named process with the helpers that it forked, of the tool itself,
// and of everything else on the machine. It refuses to compare snapshots between which a process was restarted.
package usage
