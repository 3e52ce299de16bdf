// Command chatctl runs, checks and repairs an installation of the chat service.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kong"

	"chat-service/internal/ops/hooks"
	"chat-service/internal/ops/installation"
)

// cli lists the subcommands; each has its own file and a Run method.
type cli struct {
	installation.Settings `embed:""`

	Up         upCmd         `cmd:"" help:"Start everything on this machine: servers, gateways, workers, api and a front door."`
	Servers    serversCmd    `cmd:"" help:"Start private MySQL, Redis and RabbitMQ, run a command with their addresses, then stop them."`
	Doctor     doctorCmd     `cmd:"" help:"Check configuration, servers and processes, and say what to do."`
	Migrate    migrateCmd    `cmd:"" help:"Create the database if necessary and migrate its schema."`
	Grants     grantsCmd     `cmd:"" help:"Print, or make, a user for each process on each server, with the fewest rights that it needs."`
	Unread     unreadCmd     `cmd:"" help:"Verify or repair unread counts."`
	User       userCmd       `cmd:"" help:"Show a user, disable or enable one, set a password, list and end sessions."`
	Room       roomCmd       `cmd:"" help:"Show a room, give it another owner, dissolve it."`
	Key        keyCmd        `cmd:"" help:"Make, list and revoke keys for the application's backend."`
	Webhook    hooks.Command `cmd:"" help:"Make, list, disable and delete endpoints that are told of events; see what was posted; tell them again."`
	Import     importCmd     `cmd:"" help:"Bring users, rooms and messages from elsewhere into the installation."`
	Audit      auditCmd      `cmd:"" help:"Show what was done to accounts and rooms, and by whom."`
	Partitions partitionsCmd `cmd:"" help:"Show the live workers and the owner of each partition."`
	Restore    restoreCmd    `cmd:"" help:"Restore a backup of MySQL: load it, make clients resync, empty queues and Redis."`
	Epoch      epochCmd      `cmd:"" help:"Raise the rooms' epoch after a restore."`
	Dead       deadCmd       `cmd:"" help:"List, show or delete commands that failed for good."`
	Bench      benchCmd      `cmd:"" help:"Measure the system: scenarios S1 to S11, audited, with a table and a plot."`
}

// exitError carries a wrapped command's exit code to main.
type exitError int

func (c exitError) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func main() {
	var c cli
	k := kong.Parse(&c, kong.Name("chatctl"), kong.UsageOnError(),
		kong.Description("Runs, checks and repairs an installation of the chat service."),
		kong.BindTo(context.Background(), (*context.Context)(nil)), kong.Bind(&c.Settings, &streams{os.Stdout, os.Stderr}, desk(&c.Settings, &streams{os.Stdout, os.Stderr})))
	err := k.Run()
	var code exitError
	switch {
	case err == nil:
	case errors.As(err, &code):
		os.Exit(int(code))
	default:
		fmt.Fprintln(os.Stderr, "chatctl:", err)
		os.Exit(1)
	}
}
