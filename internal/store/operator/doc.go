// Package operator keeps what belongs to the installation as a whole, and answers what an operator asks of the
// database.
//
// Store is over the installation's database: its schema, the number of partitions, the fleet of live workers, sweeping,
// counting and repairing. Server is over the server itself: it chooses no database, so that it works before there is
// one, and uses one connection, so that what a question sets for its session holds for the next one. It never touches
// users, rooms or messages.
//
// Errors of server and connection are chat.Unavailable; if the schema is missing they say what to run.
package operator
