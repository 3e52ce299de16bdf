// Package db reaches one MySQL server: it opens connections, runs transactions again where that is right, and says
// errors in the words of package chat.
//
// It owns the isolation level, the policy of retries and the numbers of the server's errors; it refuses to know any
// table. What a caller gets back is a *chat.Error: Unavailable for what may pass, Internal for what may not.
package db
