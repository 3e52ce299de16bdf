package testkit

import "syscall"

// childAttr lets the kernel end children whose test process was killed, and keeps a terminal's Ctrl-C from them.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
