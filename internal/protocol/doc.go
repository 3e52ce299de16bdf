// Package protocol is what clients see: frames and their codec, the JSON of every noun, error answers and close codes.
//
// kinds.go is the registry of frames and of their fields: decoding, the tests and the tables of docs/protocol.md come from it. The files
// named after nouns hold each noun's JSON once, for REST and the socket, with its only encoder. That of messages stands in encode.go,
// with the form of all JSON: it is what every message runs, as decode.go is. edges (problem.go) and closeCodes (codes.go) say what an
// error becomes on each road.
//
// Decoding is strict: unknown types and fields, repeated names, trailing data, invalid UTF-8 and values out of range are errors, so
// that two processes can't read one frame in two ways. Encoding appends to a caller's buffer; a message is encoded once, and its bytes
// are shared by all who receive it.
package protocol
