// Package server is the REST station's machinery: it serves a table of routes over HTTP and knows no noun's verbs.
//
// A request passes the edge (request id, headers, CORS, limits of size and time, panics), the guard (access token,
// session liveness, requests per user) and strict decoding before its verb sees a Call; every error leaves as a
// problem. The OpenAPI document, the page that shows it and the metrics' labels come from the same table of routes.
//
// Invariants: nothing read from a request outlives it uncopied; only Call knows Fiber, so no verb can keep its
// buffers; every error is application/problem+json with a code of chat.Kinds and a request id.
package server
