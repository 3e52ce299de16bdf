// Package e2e tests the whole: two gateways, two workers and the api as real processes, on real MySQL, Redis and RabbitMQ,
// spoken to over real sockets.
//
// Its tests assume nothing but the protocol (docs/protocol.md), SQL and the metrics. Every row of the protocol has a test:
// rows_test.go lists them, and fails where one has none. Most tests share one fleet and run side by side, each with
// users and rooms of its own; those that break things have a fleet to themselves.
package e2e
