// Package rooms has the verbs about rooms, their members and their messages: what a user may do there, and what the application's backend
// does in a user's name.
package rooms
