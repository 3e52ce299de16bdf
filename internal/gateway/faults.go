package gateway

import (
	"net"

	"chat-service/internal/faults"
)

// What a test build may break here. Without the build tag "faults" all of it is nothing.

// leavesUnsent is a planted bug: what a slow socket hasn't read stays in the kernel.
func leavesUnsent() bool { return faults.Planted("kernel_keeps") }

// endingAtLimit may plant a bug: the listener ends at the first connection for which there is no file.
func endingAtLimit(l net.Listener) net.Listener {
	if !faults.Planted("deaf_listener") {
		return l
	}
	return brittle{l}
}

type brittle struct{ net.Listener }

func (b brittle) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if err != nil {
		return nil, net.ErrClosed
	}
	return c, nil
}
