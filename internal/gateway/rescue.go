package gateway

import (
	"runtime/debug"
	"time"

	"chat-service/internal/protocol"
)

// The parts of the gateway whose panics are counted apart, and what a panic in each loses. The process goes on.
const (
	inRequest  = "request"  // the request is answered 500
	inSocket   = "socket"   // the socket that sent the frame is closed with 4005
	inDelivery = "delivery" // some of the delivery's sockets lack it; the room asks for its head, and clients see the gap
	inTicker   = "ticker"   // what the step did in this tick, or the connection of the socket that it looked at
	inWriter   = "writer"   // the connection of the socket that was written to
	inAnswer   = "answer"   // the error for a command that the bus lost; the answer timeout sends another one
)

var panicPlaces = []string{inRequest, inSocket, inDelivery, inTicker, inWriter, inAnswer}

// panicked counts and logs what recover returned, with the stack of the panic. It must be called by the deferred
// function.
func (g *Gateway) panicked(where string, r any) {
	g.m.Panics.WithLabelValues(where).Inc()
	g.o.Log.Error("panic", "in", where, "panic", r, "stack", string(debug.Stack()))
}

// guard calls f and keeps its panic from ending the process.
func (g *Gateway) guard(where string, f func()) {
	defer g.rescue(where)
	f()
}

// rescue is deferred where a panic loses nothing that must be cleaned up.
func (g *Gateway) rescue(where string) {
	if r := recover(); r != nil {
		g.panicked(where, r)
	}
}

// rescue is deferred by the socket's readers. A panic closes the socket; the reader ends it as after any error.
func (s *socket) rescue() {
	r := recover()
	if r == nil {
		return
	}
	defer s.finish()
	defer s.g.rescue(inSocket)
	s.g.panicked(inSocket, r)
	s.close(protocol.CloseServerError, time.Second+jitter(4*time.Second))
	s.discard()
}

// cut is deferred by who looks at a socket or writes to it: a panic ends the socket's connection, and with it its
// reader, which ends the rest.
func (s *socket) cut(where string) {
	if r := recover(); r != nil {
		defer s.g.rescue(where)
		s.g.panicked(where, r)
		s.broken()
	}
}
