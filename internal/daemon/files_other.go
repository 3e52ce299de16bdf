//go:build !unix

package daemon

// RaiseFileLimit has nothing to raise: the system has no limit of open files.
func RaiseFileLimit() (limit uint64, ok bool) { return 0, false }
