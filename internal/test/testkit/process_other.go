//go:build !linux

package testkit

import "syscall"

// childAttr keeps a terminal's Ctrl-C from children; the test's cleanup ends them.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
