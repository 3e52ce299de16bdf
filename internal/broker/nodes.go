package broker

import (
	"context"
	"net"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/broker/nodes"
)

// urls returns the addresses of the cluster's nodes, or the one address.
func (o Options) urls() []string {
	if len(o.URLs) > 0 {
		return o.URLs
	}
	return []string{o.URL}
}

// clustered reports whether there is more than one node to go to.
func (o Options) clustered() bool { return len(o.urls()) > 1 }

// firstNode is where a connection begins, so that those of a process spread: a gateway publishes and consumes, a worker has three.
var firstNode = map[string]int{"publish": 0, "gateway": 1, "consume": 1, "control": 2}

func (o Options) routeFor(purpose string) *nodes.Route {
	return nodes.NewRoute(o.urls(), o.Nodes, firstNode[purpose])
}

// to returns the options of a connection to the route's present node.
func (o Options) to(r *nodes.Route) Options {
	o.URL, o.URLs, o.dialling, o.setup = r.URL(), nil, r.Dial(), r.Setup(setupGrace)
	return o
}

// dialAny connects to the first node that answers, and returns the options of that node; else those of the last, and its error.
func (o Options) dialAny(ctx context.Context, purpose string) (of Options, conn *amqp.Connection, raw net.Conn, err error) {
	where := o.routeFor(purpose)
	for range o.urls() {
		of = o.to(where)
		if conn, raw, err = of.dial(ctx, purpose); err == nil || ctx.Err() != nil {
			break
		}
		where.Failed()
		where.Next(false)
	}
	return of, conn, raw, err
}
