package broker

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/chat"
	"chat-service/internal/trust"
)

// refusedHold is how long a refusal counts that came when the connection was up: without it, a consumer or a publisher that may
// connect and not work would be fit for work again with each new connection.
const refusedHold = time.Minute

// judge makes an error of opening a connection, or of declaring and consuming on it, permanent where waiting doesn't mend it; others
// it returns as they are.
func (o Options) judge(err error) error {
	if chat.AsPermanent(err) != nil {
		return err
	}
	if do := trust.RabbitMQ.Do(err); do != "" {
		return &chat.PermanentError{Where: o.where(), Do: do, Err: err}
	}
	var e *amqp.Error
	if !errors.As(err, &e) {
		return err
	}
	do := ""
	switch reason := strings.ToLower(e.Reason); {
	case e.Code == amqp.NotFound && strings.Contains(reason, "inaccessible"): // the queue's node is down
	case e.Code == amqp.NotAllowed && strings.Contains(reason, "limit"): // a limit of connections
	case e.Code == amqp.NotAllowed, e.Code == amqp.NotFound && strings.Contains(reason, "vhost"), e == amqp.ErrVhost:
		do = "correct the virtual host in rabbitmq.url, or create it and give the user access: rabbitmqctl add_vhost, set_permissions"
	case e.Code == amqp.AccessRefused && strings.Contains(reason, "access to"):
		do = "give the user its role's rights on the virtual host: chatctl grants prints them, and applies them with --apply"
	case e.Code == amqp.AccessRefused:
		do = "correct user and password in rabbitmq.url"
	case e.Code == amqp.PreconditionFailed && strings.Contains(reason, "inequivalent"):
		do = "set rabbitmq.queue_type to the type with which the queues were created, or drain and delete them" +
			` (docs/operations.md, "Queue type")`
	}
	if do == "" {
		return err
	}
	return &chat.PermanentError{Where: o.where(), Do: do, Err: err}
}

// host is the address that is dialled, without the account.
func (o Options) host() string {
	u, err := url.Parse(o.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// where names the broker, the user and the virtual host.
func (o Options) where() string {
	u, err := url.Parse(o.URL)
	if err != nil {
		return "rabbitmq"
	}
	vhost := strings.TrimPrefix(u.Path, "/")
	if vhost == "" {
		vhost = "/"
	}
	return fmt.Sprintf("rabbitmq %s, user %s, virtual host %s", u.Host, u.User.Username(), vhost)
}

// refuse notes a refusal that came while the connection was up.
func (l *link) refuse(err error) {
	if chat.AsPermanent(err) == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused, l.refusedAt = fmt.Errorf("%w: %w", ErrUnavailable, err), time.Now()
}

// able returns nil while the connection is up and nothing was refused on it lately; else why.
func (l *link) able() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.state == Down:
		return l.err
	case l.refused != nil && time.Since(l.refusedAt) < refusedHold:
		return l.refused
	}
	return nil
}

// Able returns nil while the partitions given to Set can be consumed, else why not. Unlike Ready it remembers queues that were
// refused.
func (c *Consumers) Able() error { return c.link.able() }

// Able returns nil while messages can be published, blocked ones later; else why not.
func (p *Publisher) Able() error { return p.link.able() }
