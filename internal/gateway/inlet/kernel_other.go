//go:build !linux

package inlet

import "syscall"

// BoundKernel leaves the kernel's own bounds where they differ from Linux.
func BoundKernel(string, string, syscall.RawConn) error { return nil }

// Deafen does nothing where the kernel wakes the process otherwise than on Linux.
func Deafen(syscall.RawConn, bool) {}
