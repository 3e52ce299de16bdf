// Package rabbit makes the broker's options out of the section rabbitmq.
package rabbit

import (
	"chat-service/internal/broker"
	"chat-service/internal/broker/nodes"
	"chat-service/internal/config"
)

// Options are those of every connection; whoever connects adds its name, logger and metrics.
func Options(c config.RabbitMQ) (broker.Options, error) {
	security, err := c.TLSConfig()
	return broker.Options{
		TLS: security, URLs: c.Addresses(), Nodes: nodes.New(), Prefix: c.Prefix(), QueueType: c.QueueType, Partitions: c.Partitions,
	}, err
}
