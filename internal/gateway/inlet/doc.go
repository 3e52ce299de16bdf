// Package inlet is what stands between the kernel and the messages that a socket's reader handles: the bounds of the
// listening socket, the handshake, and the frames, all to the letter of RFC 6455. It knows bytes and close codes, and
// nothing of sockets' phases, users or rates: its caller decides in which order frames may come.
//
//	kernel_*.go   what the kernel may hold for a connection
//	handshake.go  request → answer, by fasthttp/websocket; how a connection is taken over from fasthttp
//	frames.go     bytes → headers and payloads
package inlet
