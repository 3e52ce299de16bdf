// Package api is the REST station: it turns HTTP requests into verbs of the store, and their outcome into JSON.
//
// It owns the contract of docs/protocol.md, "REST". routes.go is the table of routes; the verbs are methods of
// station, a file per noun; ports.go is what they need. How requests are received, checked and answered is package
// server's, which knows no noun. Rules over rooms and messages are chat's and are applied by the store inside its
// transactions; api checks only the form of what arrives and who is calling.
//
// A new route takes a row in routes.go, a verb in its noun's file, a method of a port if it needs new data, a test,
// and a row in docs/protocol.md. Its schema, the statuses of its errors, its metrics' label and its place in Routes
// follow from the row.
//
// Invariants: a room that the caller may not see is answered exactly as one that does not exist; a reply type's JSON
// changes only together with testdata/openapi.txt; only the store must be up: without the state, presence reads
// unknown, logins are throttled by this process alone, and history comes from the store.
package api
