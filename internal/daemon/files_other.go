//go:build !linux && !darwin

package daemon

// RaiseFileLimit leaves the limit as it is where it isn't known how to raise it.
func RaiseFileLimit() (limit uint64, ok bool) { return 0, false }
