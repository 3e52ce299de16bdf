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

// panicked ends what can't go on after a panic. where says what called the code that panicked, s is its socket, nil if it
// was for none, and r is what recover returned.
func (g *Gateway) panicked(where string, s *socket, r any) {
	g.notePanic(where, r)
	defer func() {
		if r := recover(); r != nil {
			g.notePanic(where, r)
		}
	}()
	switch {
	case where == inDelivery:
		g.hub.ReattachRoom(g.delivery.Room)
	case s == nil:
	case where == inSocket: // the reader ends the socket as after any error
		defer s.finish()
		s.close(protocol.CloseServerError, time.Second+jitter(4*time.Second))
		s.discard()
	default: // whoever looks at a socket or writes to it; its reader ends the rest
		s.broken()
	}
}

// notePanic counts and logs what recover returned, with the stack of the panic.
func (g *Gateway) notePanic(where string, r any) {
	g.m.Panics.WithLabelValues(where).Inc()
	g.o.Log.Error("panic", "in", where, "panic", r, "stack", string(debug.Stack()))
}

// guard does a step of the ticker and keeps its panic from ending the process.
func (g *Gateway) guard(f func()) {
	defer g.rescue(inTicker, nil)
	f()
}
