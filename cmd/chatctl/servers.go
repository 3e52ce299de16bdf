package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chat-service/internal/ops/stack"
)

// serversCmd is `chatctl servers [-- command args…]`.
type serversCmd struct {
	Dir      string   `default:".run/test" help:"Run directory: ports, data, logs and PIDs of the servers."`
	PkgCache string   `env:"CHAT_PKG_CACHE" help:"Folder for downloaded packages, shared by several run directories (default: pkg in --dir)."`
	MySQL8   bool     `name:"mysql8" help:"Start real MySQL beside MariaDB, too."`
	Sid      []string `help:"Take these servers in the newer versions of Debian's sid: redis, rabbitmq (the latter as root)." placeholder:"SERVER,…" enum:"redis,rabbitmq"`
	Fresh    bool     `help:"Delete the data of earlier runs."`
	Command  []string `arg:"" optional:"" passthrough:"" help:"Command to run; without one the addresses are printed and the servers run until Ctrl-C."`
}

// testVars maps each server to the variable that gives its address to the tests. One that is set already is used as it is.
// The product's own variables (CHAT_DATABASE_… and so on) are ignored: tests create and drop databases.
var testVars = map[stack.Kind]string{
	stack.MySQL: "CHAT_TEST_MYSQL_DSN", stack.MySQL8: "CHAT_TEST_MYSQL8_DSN",
	stack.Redis: "CHAT_TEST_REDIS_ADDR", stack.RabbitMQ: "CHAT_TEST_AMQP_URL",
}

// brokerAPIVar gives the tests RabbitMQ's HTTP API with an administrator; one who gives the broker gives this, too.
const brokerAPIVar = "CHAT_TEST_RABBITMQ_API"

// Run brings the servers up, runs the command and stops them.
func (c *serversCmd) Run(ctx context.Context) error {
	out := stack.NewProgress(os.Stderr)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	d, err := stack.OpenDir(c.Dir, out)
	if err != nil {
		return err
	}
	if c.Fresh {
		if err := d.ClearData(); err != nil {
			return errors.Join(err, d.Close())
		}
	}
	env, kinds := c.plan()
	var sid []stack.Kind
	for _, name := range c.Sid {
		sid = append(sid, stack.Kind(name))
	}
	s, err := stack.Up(ctx, stack.Options{Dir: d, Out: out, PkgCache: c.PkgCache, Kinds: kinds, Vars: testVars, BrokerAPI: true, Sid: sid})
	if err != nil {
		return errors.Join(err, d.Close())
	}
	for _, k := range kinds {
		env = append(env, testVars[k]+"="+testAddr(s, k))
	}
	if srv, ok := s.Server(stack.RabbitMQ); ok {
		env = append(env, brokerAPIVar+"="+apiURL(srv))
	}
	env, err = c.redisProgram(s, env)
	if err != nil {
		return errors.Join(err, d.Close())
	}
	slices.Sort(env)
	runErr := c.run(ctx, env, out)
	// From here on a second Ctrl-C kills this process; the next run then ends the servers.
	stop()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 40*time.Second)
	defer cancel()
	if len(c.Command) == 0 {
		out.Say("servers", "stopping") // the command's own last lines should stay the last ones
	}
	s.Stop(end)
	return errors.Join(runErr, d.Close())
}

// apiURL is the address of RabbitMQ's HTTP API with its account.
func apiURL(s stack.Server) string {
	u := url.URL{Scheme: "http", User: url.UserPassword(s.User, s.Password), Host: net.JoinHostPort(s.Host, strconv.Itoa(s.APIPort))}
	return u.String()
}

// plan splits the servers into those given in the environment and those to start.
func (c *serversCmd) plan() (env []string, kinds []stack.Kind) {
	all := []stack.Kind{stack.MySQL, stack.Redis, stack.RabbitMQ}
	if c.MySQL8 {
		all = append(all, stack.MySQL8)
	}
	for _, k := range all {
		if v := os.Getenv(testVars[k]); v != "" {
			env = append(env, testVars[k]+"="+v)
			continue
		}
		kinds = append(kinds, k)
	}
	return env, kinds
}

// redisProgram gives the tests a program that starts another Redis like the running one: fault tests stop and flush one of
// their own. It is a script because an unpacked package needs the path of its libraries.
func (c *serversCmd) redisProgram(s *stack.Stack, env []string) ([]string, error) {
	srv, ok := s.Server(stack.Redis)
	if !ok || srv.Program == "" || os.Getenv("CHAT_TEST_REDIS_BIN") != "" {
		return env, nil
	}
	path, err := filepath.Abs(filepath.Join(c.Dir, "redis-server"))
	if err != nil {
		return nil, fmt.Errorf("resolve the redis program: %w", err)
	}
	var b strings.Builder
	b.WriteString("#!/bin/sh\nexec env")
	for _, kv := range srv.Environ {
		b.WriteString(" '" + kv + "'")
	}
	for _, word := range append([]string{srv.Program}, srv.ProgramArgs...) {
		b.WriteString(" '" + word + "'")
	}
	b.WriteString(" \"$@\"\n")
	if err := os.WriteFile(path, []byte(b.String()), 0o755); err != nil {
		return nil, fmt.Errorf("write the redis program: %w", err)
	}
	return append(env, "CHAT_TEST_REDIS_BIN="+path), nil
}

func testAddr(s *stack.Stack, k stack.Kind) string {
	srv, _ := s.Server(k)
	switch k {
	case stack.Redis:
		return srv.Addr()
	case stack.RabbitMQ:
		return srv.AMQPURL()
	default:
		return srv.DSN()
	}
}

// run executes the command, or prints the addresses for `source` and waits.
func (c *serversCmd) run(ctx context.Context, env []string, out *stack.Progress) error {
	command := c.Command
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 {
		for _, kv := range env {
			name, value, _ := strings.Cut(kv, "=")
			fmt.Fprintf(os.Stdout, "export %s='%s'\n", name, value)
		}
		out.Say("servers", "running; Ctrl-C stops them")
		<-ctx.Done()
		return nil
	}
	out.Say("servers", "running %s", strings.Join(command, " "))
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitError(max(exit.ExitCode(), 1))
	}
	return err
}
