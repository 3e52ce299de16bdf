// Package mysql makes the store's options out of the section database.
package mysql

import (
	"time"

	"chat-service/internal/config"
	"chat-service/internal/store/db"
)

// Options are those of every process, replicas included; whoever opens the store adds limits and logger.
func Options(c config.Database, partitions int) (db.Options, error) {
	security, err := c.TLSConfig()
	return db.Options{
		TLS: security, Host: c.Host, Port: int(c.Port), User: c.User, Password: c.Password.Reveal(), DBName: c.DBName, Replicas: c.Replicas,
		MaxOpen: off(c.MaxOpen), MaxIdle: off(c.MaxIdle), ConnMaxLifetime: off(c.ConnMaxLifetime.D()), ConnMaxIdleTime: off(c.ConnMaxIdleTime.D()),
		Timeout: c.DialTimeout.D(), ReadTimeout: c.ReadTimeout.D(), WriteTimeout: c.WriteTimeout.D(), Partitions: partitions,
	}, err
}

// off turns a setting's 0, which is no bound, none or never, into what means that to the store, where 0 is the default.
func off[N int | time.Duration](n N) N {
	if n == 0 {
		return -1
	}
	return n
}
