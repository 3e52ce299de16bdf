package main

import (
	"context"
	"errors"

	"chat-service/internal/ops/installation"
	"chat-service/internal/ops/standstill"
)

// restoreCmd is `chatctl restore`.
type restoreCmd struct {
	Dump       string `arg:"" optional:"" type:"existingfile" help:"What mariadb-dump or mysqldump wrote, not compressed. Without it the database has been restored already, by other means."`
	KeepQueues bool   `help:"Keep the commands in the inbound queues: the workers will process them. Clients send again what was not acknowledged anyway."`
	EpochAbove uint64 `placeholder:"N" help:"Raise the epochs above N, if they were higher before, and the database that had them is lost."`
	standstillFlags
}

// Help shows examples.
func (*restoreCmd) Help() string {
	return `Restores a backup of the database, while nothing runs: it waits until everything is stopped, loads the dump, brings the schema up to date, raises the epoch of all rooms, so that clients drop what they know and load their rooms again, empties the inbound queues and Redis, and says what the newest message is. After an interruption run the same command again; no process starts before it has come to its end. All that was written after the backup is lost: keep a dump of the present state.

The database's user must be allowed to make and drop tables, as that of chatctl migrate is.

  mariadb-dump --single-transaction chat > chat.sql
  CHAT_DATABASE_USER=chat_migration CHAT_DATABASE_PASSWORD_FILE=… chatctl restore chat.sql --yes
  chatctl restore --yes`
}

// Run restores.
func (c *restoreCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	if !c.Yes {
		return errors.New("the present data is replaced by the backup's: add --yes to confirm")
	}
	return c.on(ctx, s, io, func(ctx context.Context, site *standstill.Site) error {
		return site.Restore(ctx, standstill.Backup{Dump: c.Dump, KeepQueues: c.KeepQueues, EpochAbove: c.EpochAbove})
	})
}
