// Package history checks what clients saw against the promises: a log of their events on one clock, a dump of the database, and
// a checker of the invariants I1 to I13 over both.
//
// It doesn't know how the events came about: tests record them with testkit's Chatter or by hand. Times are
// measured from the beginning of the history; ids and seqs are the product's.
package history
