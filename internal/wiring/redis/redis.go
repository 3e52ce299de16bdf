// Package redis makes the options of state out of the section redis.
package redis

import (
	"chat-service/internal/config"
	"chat-service/internal/state"
)

// Options are those of every process; the names of the installation stand in the section rabbitmq.
func Options(c config.Redis, prefix string, partitions int) (state.Options, error) {
	security, err := c.TLSConfig()
	return state.Options{
		TLS: security, Addrs: c.Addresses(), Username: c.Username, Password: c.Password.Reveal(), DB: c.DB, Master: c.Master,
		SentinelUsername: c.SentinelUsername, SentinelPassword: c.SentinelPassword.Reveal(), Prefix: prefix, Partitions: partitions,
	}, err
}
