// Package doctor examines an installation: its configuration files, MySQL, Redis, RabbitMQ and the processes. Each finding says
// what to do.
//
// It changes no data. A check reads facts from a server, and a judgement, a method of its own, makes a finding of them, so that
// what no test can bring about on a real server is tried with values.
package doctor
