// Package backend has the verbs of the application's backend, below /server: each takes a key with its scope, and acts in the
// application's name or in that of any user, by the verbs of the store that users' calls use.
package backend
