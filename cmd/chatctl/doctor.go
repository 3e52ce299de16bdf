package main

import (
	"context"
	"fmt"
	"os"

	"chat-service/internal/ops/doctor"
	"chat-service/internal/ops/installation"
)

// doctorCmd is `chatctl doctor`.
type doctorCmd struct {
	GatewayConfig string   `placeholder:"FILE" help:"The gateways' YAML (default: gateway.yaml beside --config)."`
	APIConfig     string   `name:"api-config" placeholder:"FILE" help:"The api's YAML (default: api.yaml beside --config)."`
	Bin           string   `default:"bin" help:"Folder of the binaries, which check their own files completely."`
	Ready         []string `placeholder:"URL" help:"Readiness of a process, such as http://10.0.0.5:9102/readyz; may be repeated (default: those of the run, else those in the files)."`
	Declare       bool     `help:"Declare the queues even if no process has run yet, as the first process would."`
	BrokerAPI     string   `name:"rabbitmq-api" placeholder:"URL" help:"RabbitMQ's HTTP API, http://[administrator:password@]host:15672, to check a cluster's queues, leaders and policies."`
	JSON          bool     `help:"Print JSON."`
}

// Help shows examples.
func (*doctorCmd) Help() string {
	return `Checks the configuration files, MySQL, Redis, RabbitMQ and the processes, and says what to do. The exit code is 1 if something FAILs. It changes no data. If the installation has run before, its queues are declared again, as every process does at its start; that reveals whether they match the configuration.

  chatctl doctor
  chatctl doctor --config /etc/chat/worker.yaml --ready http://10.0.0.5:9102/readyz
  chatctl doctor --run .run --json`
}

// Run checks everything.
func (c *doctorCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	live := io.out
	if c.JSON {
		live = nil
	}
	in, err := s.Find(os.Environ())
	r := doctor.Examine(ctx, in, err, doctor.Options{
		GatewayConfig: c.GatewayConfig, APIConfig: c.APIConfig, Bin: c.Bin, Ready: c.Ready, Declare: c.Declare, BrokerAPI: c.BrokerAPI, Live: live,
	})
	if c.JSON {
		if err := io.printJSON(map[string]any{"findings": r.Findings, "ok": r.Count(doctor.Fail) == 0}); err != nil {
			return err
		}
	} else {
		_, _ = fmt.Fprintf(io.out, "\n%d ok, %d warnings, %d failures\n", r.Count(doctor.OK), r.Count(doctor.Warn), r.Count(doctor.Fail))
	}
	if r.Count(doctor.Fail) > 0 {
		return exitError(1)
	}
	return nil
}
