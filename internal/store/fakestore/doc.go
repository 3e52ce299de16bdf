// Package fakestore keeps in memory what package store keeps in MySQL, for tests of the stations: one value implements
// every port that they have to the store.
//
// It follows the rules of the store and proves it: both pass the conformance suite of package storetest. So a station
// that works over the fake is not surprised by the store. What it lacks is what only a database has: locks, replicas
// and lost commits.
//
// A test prepares rooms and sessions by hand (AddRoom, AddMember, AddUser, AddSession), has the store fail (Down,
// Before, After, Poison, LoseAnswers, Stall), and looks at what happened (Log, Calls, Dead). Product code doesn't import it.
package fakestore
