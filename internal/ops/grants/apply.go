package grants

import (
	"context"
	"fmt"
	"net/url"

	"chat-service/internal/broker/rights"
	"chat-service/internal/ops/management"
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

// ApplyRabbitMQ makes the RabbitMQ users, and the policy for consumers where the broker knows its key.
func (p Plan) ApplyRabbitMQ(ctx context.Context, to *management.Client) error {
	err := p.each(RabbitMQ, func(u User, password string) error {
		return setUser(ctx, to, p.VHost, account{u.Name, password, p.rights(u)})
	})
	if err != nil {
		return err
	}
	var at struct {
		Version string `json:"rabbitmq_version"`
	}
	if err := to.Get(ctx, "/api/overview", &at); err != nil {
		return err
	}
	if !waitsForConsumers(at.Version) {
		return nil
	}
	policy := management.ConsumerPolicy(p.prefix())
	return to.Put(ctx, "/api/policies/"+url.PathEscape(p.VHost)+"/"+url.PathEscape(policy.Name), policy)
}

// waitsForConsumers reports whether the version has the policy's key: 4.3 or later.
func waitsForConsumers(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return err == nil && (major > 4 || major == 4 && minor >= 3)
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

// setUser makes or changes a user, with exactly these rights on the virtual host and none of the API's.
func setUser(ctx context.Context, m *management.Client, vhost string, u account) error {
	err := m.Put(ctx, "/api/users/"+url.PathEscape(u.name), map[string]string{"password": u.password, "tags": ""})
	if err != nil {
		return err
	}
	return m.Put(ctx, "/api/permissions/"+url.PathEscape(vhost)+"/"+url.PathEscape(u.name),
		map[string]string{"configure": u.rights.Configure, "write": u.rights.Write, "read": u.rights.Read})
}

// account is a user of RabbitMQ.
type account struct {
	name, password string
	rights         rights.Rights
}
