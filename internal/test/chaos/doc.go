// Package chaos proves the promises under faults: it runs the product's own programs on private servers, behind a fault
// proxy on every link, kills and stops all of them by a seeded schedule, and judges what the clients saw and the database
// holds by the checker of testkit and a few rules of its own.
//
// It holds tests only (build tag chaos; `make chaos`, `make chaos-negative`). It refuses to call an overloaded machine a
// failure of the product: that is reported as an invalid harness.
package chaos
