// Package store keeps the truth in MySQL: users, sessions, rooms, members, messages and the outbox, one transaction per verb.
//
// It owns the schema (goose migrations, embedded), the only place where a room's seq is taken (under the row lock of
// the room), the key that makes a retried send the first one, and the pools of connections: one to the primary and
// one to each replica. It refuses to judge what it can't see under a lock: the rules of package chat are applied
// inside the transaction, on the rows it holds.
//
// Invariants: a room's seqs are dense and start at 1; a message's ord is the number of real messages up to it;
// locks are taken in the order rooms → members → messages, rooms by ascending id; an outbox row is inserted only
// after its room's lock is held, so id order is seq order within a room. Every transaction runs at READ COMMITTED.
//
// Errors are *chat.Error wherever the caller must tell them apart. A deadlock or a lock wait is retried whole, and so
// is a connection lost while committing where a second run finds the first by a unique key; what stays unknown
// or unreachable is chat.Unavailable, never a verdict.
package store
