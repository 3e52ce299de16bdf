// Package db reaches the database: it keeps pools of connections to the primary and its replicas, runs transactions and
// statements, again where that is right, and translates the errors of the driver.
//
// It owns what is the same for every table: the settings of a connection, the isolation level, the policy of retries,
// and what an error's number means. It knows no table. Transactions pass between the stores above it as Tx.
//
// There are three ways to run something. Retry runs one statement, Tx a transaction of any statements, and Play one of
// exactly two round trips, for the hot path: play.go has it, with the statements that it plays. All of them return a
// *chat.Error: Unavailable for what may pass, Internal for what may not.
package db
