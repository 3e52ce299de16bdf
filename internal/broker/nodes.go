package broker

import (
	"context"
	"net"

	amqp "github.com/rabbitmq/amqp091-go"
)

// urls returns the addresses of the cluster's nodes, or the one address.
func (o Options) urls() []string {
	if len(o.URLs) > 0 {
		return o.URLs
	}
	return []string{o.URL}
}

// nodes says which address a connection dials, and when it has tried all of them in vain.
type nodes struct {
	urls []string
	at   int // index of the present one
	left int // how many others may be tried at once before a pause
}

// firstNode is where a connection begins, so that those of a process spread: a gateway publishes and consumes, a worker has three.
var firstNode = map[string]int{"publish": 0, "gateway": 1, "consume": 1, "control": 2}

func (o Options) nodesFor(purpose string) *nodes {
	urls := o.urls()
	return &nodes{urls: urls, at: firstNode[purpose] % len(urls), left: len(urls) - 1}
}

// of returns the options of a connection to the present node.
func (n *nodes) of(o Options) Options {
	o.URL, o.URLs = n.urls[n.at], nil
	return o
}

// next goes on to the next node, and says whether to dial it without a pause: one dead address of three costs no waiting. After a
// connection that was up, and once all nodes were tried, there is a pause.
func (n *nodes) next(wasUp bool) (atOnce bool) {
	n.at = (n.at + 1) % len(n.urls)
	if wasUp || n.left == 0 {
		n.left = len(n.urls) - 1
		return false
	}
	n.left--
	return true
}

// dialAny connects to the first node that answers, and returns the options of that node; else those of the last, and its error.
func (o Options) dialAny(ctx context.Context, purpose string) (of Options, conn *amqp.Connection, raw net.Conn, err error) {
	where := o.nodesFor(purpose)
	for range where.urls {
		of = where.of(o)
		if conn, raw, err = of.dial(ctx, purpose); err == nil || ctx.Err() != nil {
			break
		}
		where.next(false)
	}
	return of, conn, raw, err
}
