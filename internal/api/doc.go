// Package api is the REST station: it turns HTTP requests into verbs of the store, and their outcome into JSON.
//
// It owns the contract of docs/protocol.md, "REST": routes, strict decoding, problem details, paging, authentication of
// requests, throttling of logins, and the OpenAPI document, which is made from the same table as the routes. Rules over
// rooms and messages are chat's and are applied by the store inside its transactions; api judges only the shape of
// what comes in and who asks.
//
// Invariants: every error leaves as application/problem+json with a code of chat.Kinds; a room that the caller may not
// see answers like one that is not there; nothing read from a request outlives it uncopied; only the store must be up:
// without the state, presence reads unknown, logins are throttled by this process alone, and history comes from the store.
package api
