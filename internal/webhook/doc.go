// Package webhook signs events and posts them to the application's endpoints, by Standard Webhooks 1.0.0.
//
// An endpoint's address is chosen by whoever holds a key of the application's backend, and it is called from inside the operator's network.
// So the address is judged where it can't change any more: when it is dialled, after its name was resolved. Only public addresses are
// dialled, and for endpoints that may reach private ones those networks that the operator allows. Redirects aren't followed, proxies of the
// environment not used, and an answer is bounded in time and size.
//
// It stores nothing and tries nothing twice: who posts what and when is decided by its callers.
package webhook
