package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"chat-service/internal/ops/grants"
	"chat-service/internal/ops/installation"
	"chat-service/internal/ops/management"
	"chat-service/internal/state"
	"chat-service/internal/store/operator"
)

// grantsCmd is `chatctl grants`.
type grantsCmd struct {
	Apply     bool     `help:"Make the users, as the administrators that the configuration names."`
	Only      []string `enum:"mysql,rabbitmq,redis" default:"mysql,rabbitmq,redis" help:"Only the users of these servers (mysql, rabbitmq, redis)."`
	Passwords string   `placeholder:"DIR" help:"Folder with a password file per user (mysql_api, rabbitmq_gateway …); missing ones are made by --apply."`
	Names     string   `placeholder:"NAME" help:"Begins the users' names (default: the prefix in rabbitmq.exchange)."`
	From      string   `default:"%" help:"From where MySQL takes the users, as in CREATE USER … @'…'."`
	API       string   `name:"rabbitmq-api" placeholder:"URL" help:"RabbitMQ's HTTP API, http://[administrator:password@]host:15672."`
}

// Help shows examples.
func (*grantsCmd) Help() string {
	return `Each process gets a user of its own on each server that it uses, with the fewest rights that it needs: api (MySQL, Redis), worker (all three), gateway (RabbitMQ), operator (chatctl; all three) and migration (chatctl migrate; MySQL). Without --apply it prints the statements and commands for an administrator. Run it after chatctl migrate, with every release. Passwords are never printed.

  chatctl grants --only redis --passwords /etc/chat/passwords
  CHAT_DATABASE_USER=root … chatctl grants --apply --passwords /etc/chat/passwords --rabbitmq-api http://mq1:15672`
}

// Run prints or applies.
func (c *grantsCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	in, err := s.Find(os.Environ())
	if err != nil {
		return err
	}
	p, err := c.plan(in)
	if err != nil {
		return err
	}
	if !c.Apply {
		return c.print(p, io)
	}
	if c.Passwords == "" {
		return errors.New("--apply needs --passwords: the folder where the users' passwords are, or will be")
	}
	var errs []error
	rows := [][]string{{"SERVER", "USER", "PASSWORD IN"}}
	for _, server := range grants.Servers() {
		if !slices.Contains(c.Only, string(server)) {
			continue
		}
		err := c.apply(ctx, in, p, server)
		if errors.Is(err, state.ErrVolatile) {
			io.say("warning: %v", err)
			err = nil
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: not done: %w", server, err))
			continue
		}
		for _, u := range p.Users(server) {
			rows = append(rows, []string{string(server), u.Name, strings.TrimRight(c.Passwords, "/") + "/" + u.File()})
		}
	}
	return errors.Join(io.printRows(rows), errors.Join(errs...))
}

func (c *grantsCmd) plan(in *installation.Installation) (p grants.Plan, err error) {
	b, berr := in.BrokerOptions()
	u, err := url.Parse(in.RabbitMQ.Addresses()[0])
	if err != nil {
		return p, errors.New("rabbitmq.url is not a URL")
	}
	return grants.Plan{
		Names: cmp.Or(c.Names, in.RabbitMQ.Prefix()), From: c.From, Database: in.Database.DBName, Passwords: c.Passwords,
		VHost: cmp.Or(strings.TrimPrefix(u.Path, "/"), "/"), Broker: b, Redis: state.Options{Prefix: in.RabbitMQ.Prefix()},
	}, berr
}

func (c *grantsCmd) print(p grants.Plan, io *streams) error {
	for _, server := range grants.Servers() {
		if !slices.Contains(c.Only, string(server)) {
			continue
		}
		if err := p.Print(io.out, server); err != nil {
			return err
		}
	}
	return nil
}

func (c *grantsCmd) apply(ctx context.Context, in *installation.Installation, p grants.Plan, server grants.Server) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	switch server {
	case grants.MySQL:
		return in.WithConsole(func(o *operator.Server) error { return p.ApplySQL(ctx, o) })
	case grants.RabbitMQ:
		return c.applyRabbitMQ(ctx, in, p)
	default:
		st, err := in.OpenState()
		if err != nil {
			return err
		}
		return errors.Join(p.ApplyRedis(ctx, st), st.Close())
	}
}

func (c *grantsCmd) applyRabbitMQ(ctx context.Context, in *installation.Installation, p grants.Plan) error {
	if c.API == "" {
		return errors.New("the address of its HTTP API isn't given (--rabbitmq-api http://host:15672, plugin rabbitmq_management): " +
			"run what `chatctl grants --only rabbitmq` prints on its machine, or leave it out by --only mysql,redis")
	}
	security, err := in.RabbitMQ.TLSConfig()
	if err != nil {
		return err
	}
	u, err := url.Parse(in.RabbitMQ.Addresses()[0])
	if err != nil {
		return errors.New("rabbitmq.url is not a URL")
	}
	password, _ := u.User.Password()
	m, err := management.New(c.API, u.User.Username(), password, &http.Client{Transport: &http.Transport{TLSClientConfig: security}})
	if err != nil {
		return err
	}
	return p.ApplyRabbitMQ(ctx, m)
}
