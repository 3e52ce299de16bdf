// Package cluster loses nodes of a RabbitMQ cluster of three on this machine, killed and stopped, while everything is connected to them
// and leads there, and measures when acks flow again. The checker of testkit judges what the clients saw.
//
// It holds tests only (build tag chaos; `make chaos-cluster`).
package cluster
