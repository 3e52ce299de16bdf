package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"chat-service/internal/ops/stack"
)

// upCmd is `chatctl up`.
type upCmd struct {
	Host        string `default:"127.0.0.1" help:"Address of the front door; 0.0.0.0 makes it reachable from the network."`
	Port        int    `default:"8080" env:"CHAT_PORT" help:"Port of the front door."`
	Dir         string `default:".run" help:"Run directory: ports, data, logs, PIDs and the token secret."`
	PkgCache    string `env:"CHAT_PKG_CACHE" help:"Folder for downloaded packages, shared by several run directories (default: pkg in --dir)."`
	Gateways    int    `default:"2" help:"Number of gateways."`
	Workers     int    `default:"2" help:"Number of workers."`
	Bin         string `default:"bin" help:"Folder of the binaries gateway, worker and api."`
	Configs     string `default:"configs" help:"Folder of gateway.yaml, worker.yaml and api.yaml."`
	ServersOnly bool   `help:"Start only the servers and print their addresses."`
	Dev         bool   `help:"Rebuild and restart when a source file changes (needs Go)."`
}

// Run brings everything up and keeps it running until Ctrl-C or SIGTERM; a second one kills.
func (c *upCmd) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	hard := make(chan struct{})
	sigs := make(chan os.Signal, 2)
	signal.Notify(sigs, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(sigs)
	quit := make(chan struct{})
	var g sync.WaitGroup
	g.Go(func() {
		first := true
		for {
			select {
			case <-quit:
				return
			case <-sigs:
				if !first {
					close(hard)
					return
				}
				first = false
				stop()
			}
		}
	})
	o := stack.RunOptions{
		Dir: c.Dir, PkgCache: c.PkgCache, Host: c.Host, Port: c.Port, Gateways: c.Gateways, Workers: c.Workers,
		Bin: c.Bin, Configs: c.Configs, ServersOnly: c.ServersOnly, Out: stack.NewProgress(os.Stdout), Hard: hard,
	}
	o.Migrate = migrateRun(c.Configs, o.Out)
	if c.Dev {
		rebuilt := make(chan struct{})
		o.Rebuilt = rebuilt
		seen := newest()
		g.Go(func() { watchSources(ctx, seen, c.Bin, rebuilt, o.Out) })
	}
	err := stack.Run(ctx, o)
	stop()
	close(quit)
	g.Wait()
	return err
}
