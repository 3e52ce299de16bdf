// Package chat is the vocabulary of the product: ids, rooms, members, messages, seqs, and the rules over them.
//
// It owns the nouns that cross package walls, a file each; the pure functions over them (who may do what, what a member may see, what
// counts as unread); the registries that every process shares (error kinds, limits, system events); and ids, which stand with the
// message (message.go). It holds no clock, no network, no database and no logging. Fields that only one adapter needs (a password hash,
// a partition) are here too, if they travel between packages; what clients see of a noun is package protocol's business, what is stored
// of it the store's.
package chat
