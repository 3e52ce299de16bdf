// Package batch puts many messages into their rooms in one transaction: lock the rooms, look for what is there,
// judge, write. It is the hot path of the product.
//
// It owns the taking of seqs for messages, under the row locks of their rooms, and the order of the rules. It refuses to
// begin or commit: its caller runs it in a transaction, and again where that must be repeated.
package batch
