// Package webhooks tells the application's endpoints what is committed: every entry and every change, at least once, and in order for each
// room and endpoint.
//
// What they are told is read from the rooms' logs, from where a cursor stands; the cursor moves only after an answer that takes the event.
// An event that fails holds its room back, at that endpoint alone, until the next try. What a worker commits wakes it, by a hint in memory
// that costs no statement; hints that got lost, rooms that another release's workers own, and cursors that a dead process had claimed are
// found by walks over the tables.
//
// Bounds: so many posts at once for each endpoint, few for one that fails, and so many in all; rooms that wait in memory are bounded, and
// what finds no place is found by the walk.
package webhooks
