package inlet

import (
	"errors"
	"syscall"
)

const (
	// kernelBytes bounds what the kernel holds unsent for one socket. It counts twice of it, for its own bookkeeping.
	// By itself it would grow that with the connection, up to 4 MiB: sixteen times what QueueBytes allows.
	kernelBytes = 128 << 10
	// kernelPatience is how long the kernel tries to send to a peer that acknowledges nothing, in milliseconds. Without
	// it a closed connection whose peer is gone stays in the kernel for up to a quarter of an hour.
	kernelPatience = 30_000

	// unheard is how many bytes may arrive on a socket that isn't being read before the process is woken: less than its buffer holds.
	unheard = 4 << 10

	tcpUserTimeout = 0x12 // package syscall lacks its name
)

// BoundKernel sets on the listening socket what connections inherit from it, so that none needs a call of its own.
func BoundKernel(_, _ string, c syscall.RawConn) (err error) {
	cerr := c.Control(func(fd uintptr) {
		err = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, kernelBytes),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, kernelPatience),
		)
	})
	return errors.Join(cerr, err)
}

// Deafen keeps the kernel from waking the process for each frame that comes of a socket, while nobody reads it, until it is called with
// false. If it fails, the process is woken in vain.
func Deafen(c syscall.RawConn, deaf bool) {
	enough := 1
	if deaf {
		enough = unheard
	}
	_ = c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, enough) })
}
