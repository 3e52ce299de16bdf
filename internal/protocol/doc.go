// Package protocol is what clients see: frames, their codec, error codes and close codes.
//
// It owns the JSON on the socket (docs/protocol.md, "WebSocket") and the views of users, rooms and messages that REST
// shows too. Decoding is strict: unknown types and fields, repeated keys, trailing data, invalid UTF-8 and values out
// of range are errors, so that two processes can never read one frame in two ways. Encoding appends to a caller's
// buffer; a message is encoded once and its bytes are shared by all who receive it.
package protocol
