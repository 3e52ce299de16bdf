// Package history judges what clients saw: a log of their events on one clock, a dump of the database, and a checker that
// compares the two with the promises (I1 to I13).
//
// It knows nothing of how the events came about: tests may record them with testkit's Chatter or by hand. Times are
// measured from the beginning of the history; ids and seqs are the product's.
package history
