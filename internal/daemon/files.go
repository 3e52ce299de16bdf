//go:build linux || darwin

package daemon

import "syscall"

// RaiseFileLimit raises the process's soft limit of open files to the hard one and returns it; false if the system has
// none that can be read. Shells and service managers set the soft one low for programs that use select(2).
func RaiseFileLimit() (limit uint64, ok bool) {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0, false
	}
	if l.Cur < l.Max {
		raised := syscall.Rlimit{Cur: l.Max, Max: l.Max}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
			l = raised
		}
	}
	return l.Cur, true
}
