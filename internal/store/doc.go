// Package store keeps the truth in MySQL: users, sessions, rooms, members, messages and the outbox, one transaction per
// verb.
//
// It is a floor of packages, in this order; each imports only those before it:
//
//	table      what each table's columns are and where they go, once
//	db         pools, transactions, retries, statements, and what an error's number means
//	schema     the migrations
//	outbox     what committed writes have to announce
//	messages   the rooms' logs; append.go is the commit of a message
//	rooms      rooms and their members
//	accounts   users and login sessions
//	jobs       work that takes longer than a call, in steps
//	operator   the installation: the fleet of workers, counting and repairing, questions about the server itself
//
// This package only opens them over one database. It refuses to judge what it can't see under a lock: the rules of
// package chat are applied inside the transaction, on the rows it holds.
//
// Invariants: a room's seqs are dense and start at 1; a message's ord is the number of users' messages up to it;
// locks are taken in the order rooms → members → messages, rooms by ascending id; an outbox row is inserted only
// after its room's lock is held, so id order is seq order within a room. Every transaction runs at READ COMMITTED.
//
// Errors are *chat.Error wherever the caller must tell them apart. A deadlock or a lock wait is retried whole, and so
// is a connection lost while committing if a second run finds the first by a unique key; what stays unknown
// or unreachable is chat.Unavailable, never a judgement.
package store
