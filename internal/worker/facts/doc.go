// Package facts remembers for a few seconds who is a member of a room, for what is relayed without a trace.
//
// Nothing that is stored or delivered in a room's log is judged by it. It owns a bounded table; it refuses to say that
// somebody is no member without having asked.
package facts
