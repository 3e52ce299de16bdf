// Package bench is the project's own load generator: it drives a running system through its public protocol, as scenarios
// S1 to S11, and reports the cost of a unit of work.
//
// It owns the scenarios with their bars, lean WebSocket and REST clients, accounts and rooms kept between runs, the
// accounting of CPU and memory over all processes, the auditor, a SQL loader for large histories, reference measurements of
// RabbitMQ and MySQL alone; report renders the results. It doesn't guess: a run during which a process was
// restarted, a message was lost or the tool itself was the bottleneck is marked as such.
//
// It is a tool: only cmd/chatctl and tests import it. Invariants: latencies count from the moment at which a message was
// due, on one clock; memory for latencies is bounded; every connection and goroutine of a run ends with it.
package bench
