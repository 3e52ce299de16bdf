//go:build !faults

package faults

// Point marks a place where a test build may kill the process.
func Point(string) {}

// Planted tells whether a test build carries the named bug.
func Planted(string) bool { return false }
