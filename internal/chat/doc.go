// Package chat is the vocabulary of the product: ids, rooms, members, messages, seqs, and the rules over them.
//
// It owns the nouns that every other package speaks in, the pure functions that judge them (who may do what,
// what a member may see, what counts as unread) and the closed set of error kinds that cross package walls.
// It refuses anything that touches the outside: no clock, no network, no database, no logging.
package chat
