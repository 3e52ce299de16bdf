// Package mysql makes the store's options out of the section database.
package mysql

import (
	"chat-service/internal/config"
	"chat-service/internal/store/db"
)

// Options are those of every process, replicas included; whoever opens the store adds limits and logger.
func Options(c config.Database, partitions int) (db.Options, error) {
	security, err := c.TLSConfig()
	return db.Options{
		TLS: security, Host: c.Host, Port: int(c.Port), User: c.User, Password: c.Password.Reveal(), DBName: c.DBName, Replicas: c.Replicas,
		MaxOpen: c.MaxOpen, MaxIdle: c.MaxIdle, ConnMaxLifetime: c.ConnMaxLifetime.D(), ConnMaxIdleTime: c.ConnMaxIdleTime.D(),
		Timeout: c.DialTimeout.D(), ReadTimeout: c.ReadTimeout.D(), WriteTimeout: c.WriteTimeout.D(), Partitions: partitions,
	}, err
}
