// Package cluster loses servers under load while everything is connected to them, and measures when acks flow again: nodes of a RabbitMQ
// cluster of three, killed and stopped, and the primary of MariaDB and of MySQL, killed or demoted. The checker of testkit judges what the
// clients saw.
//
// It holds tests only (build tag chaos; `make node-losses`, `make failover`).
package cluster
