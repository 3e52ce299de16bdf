package grants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"chat-service/internal/broker"
	"chat-service/internal/state"
	"chat-service/internal/store/operator"
)

// SQL is a MySQL server, reached as an administrator.
type SQL interface {
	Grant(ctx context.Context, a operator.Account, password string) error
}

// Cache is a Redis server, reached as an administrator.
type Cache interface {
	SetUser(ctx context.Context, name string, rules []string) error
	SaveUsers(ctx context.Context) error
}

// ApplySQL makes the MySQL users. The schema must be there.
func (p Plan) ApplySQL(ctx context.Context, to SQL) error {
	return p.each(MySQL, func(u User, password string) error { return to.Grant(ctx, p.account(u), password) })
}

// ApplyRedis makes the Redis users. The error is state.ErrVolatile if they are made and will not survive a restart of the server.
func (p Plan) ApplyRedis(ctx context.Context, to Cache) error {
	err := p.each(Redis, func(u User, password string) error {
		return to.SetUser(ctx, u.Name, p.rules(u, state.PasswordHash(password)))
	})
	if err != nil {
		return err
	}
	return to.SaveUsers(ctx)
}

// ApplyRabbitMQ makes the RabbitMQ users.
func (p Plan) ApplyRabbitMQ(ctx context.Context, to *Management) error {
	return p.each(RabbitMQ, func(u User, password string) error { return to.SetUser(ctx, p.VHost, u.Name, password, p.rights(u)) })
}

func (p Plan) each(s Server, fn func(u User, password string) error) error {
	for _, u := range p.Users(s) {
		password, err := p.Password(u, true)
		if err == nil {
			err = fn(u, password)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Management is RabbitMQ's HTTP API, which its plugin rabbitmq_management offers.
type Management struct {
	base           string
	user, password string
	client         *http.Client
}

// NewManagement addresses the API at http(s)://host:port. The administrator is the URL's, else the one given.
func NewManagement(address, user, password string, client *http.Client) (*Management, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the address of RabbitMQ's HTTP API must be http://host:15672, or https://")
	}
	if u.User != nil {
		user = u.User.Username()
		password, _ = u.User.Password()
	}
	u.User = nil
	return &Management{strings.TrimRight(u.String(), "/"), user, password, client}, nil
}

// managementWithin bounds a call: a broker under load answers slowly.
const managementWithin = 20 * time.Second

// SetUser makes or changes a user, with exactly these rights on the virtual host and none of the API's.
func (m *Management) SetUser(ctx context.Context, vhost, name, password string, r broker.Rights) error {
	err := m.call(ctx, http.MethodPut, "/api/users/"+url.PathEscape(name), map[string]string{"password": password, "tags": ""})
	if err != nil {
		return err
	}
	return m.call(ctx, http.MethodPut, "/api/permissions/"+url.PathEscape(vhost)+"/"+url.PathEscape(name),
		map[string]string{"configure": r.Configure, "write": r.Write, "read": r.Read})
}

func (m *Management) call(ctx context.Context, method, path string, body any) error {
	ctx, cancel := context.WithTimeout(ctx, managementWithin)
	defer cancel()
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, m.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.SetBasicAuth(m.user, m.password)
	req.Header.Set("Content-Type", "application/json")
	res, err := m.client.Do(req)
	if err != nil {
		return fmt.Errorf("RabbitMQ's HTTP API: %w: is its plugin enabled (rabbitmq-plugins enable rabbitmq_management), and is this its address?", err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // for the error's text only
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return fmt.Errorf("RabbitMQ's HTTP API at %s refuses user %s (%s): give an administrator in its address or in rabbitmq.url", m.base, m.user, res.Status)
	}
	return fmt.Errorf("RabbitMQ's HTTP API at %s: %s %s: %s: %s", m.base, method, path, res.Status, strings.TrimSpace(string(answer)))
}
