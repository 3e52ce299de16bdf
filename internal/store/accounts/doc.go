// Package accounts keeps users, their login sessions and the refresh tokens of these.
//
// A session ends by logout, by revocation or at its time; whatever ends it before its time leaves an announcement in
// the outbox within the same transaction, so that its sockets close. Usernames and email addresses arrive normalised,
// and their unique keys decide who was first.
package accounts
