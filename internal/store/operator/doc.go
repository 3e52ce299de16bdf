// Package operator is what an operator asks the database and no station may: about the server itself, about a database
// that may not be there yet, and about the commands that were put aside.
//
// It owns SQL that only an operator's tool runs; it refuses to touch what the stations keep: users, rooms and messages
// belong to the verbs of package store. It chooses no database, so that it works before one is made, and uses one
// connection, so that what a question sets for its session holds for the next one.
//
// Errors of server and connection are chat.Unavailable; where the schema is missing they say what to run.
package operator
