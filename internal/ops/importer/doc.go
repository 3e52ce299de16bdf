// Package importer brings users, rooms, members and messages from elsewhere into an installation: `chatctl import`.
//
// read.go takes a file apart into lines, line.go checks what a line says by itself, and batch.go collects lines; flush.go resolves the
// application's own ids and stores a batch by a few large transactions. A line that can't be imported is refused with its number and the
// reason, and never stops the rest. mattermost.go makes such lines of another system's export. Everything is found again by its id, so
// that the same file may come any number of times.
//
// What is kept in memory grows with the users, rooms and message ids of the file: a line of about 200 bytes for each that is named, and
// for a message's id as much as a map needs for 16.
package importer
