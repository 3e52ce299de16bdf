// Package wscases holds the cases of the WebSocket conformance runner: frames that a client sends, well and ill formed, and what a
// server of this protocol must answer. The groups are those that the Autobahn suite made known.
//
// The gateway's own tests and the runner that goes through proxies play the same cases.
package wscases
