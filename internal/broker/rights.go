package broker

import (
	"regexp"
	"strings"
)

// Role is what a process does on the bus.
type Role string

// The roles that have a user. The api uses no RabbitMQ.
const (
	GatewayRole  Role = "gateway"
	WorkerRole   Role = "worker"
	OperatorRole Role = "operator" // chatctl: doctor and partitions
)

// Roles lists them.
func Roles() []Role { return []Role{GatewayRole, WorkerRole, OperatorRole} }

// Rights are a user's permissions on a virtual host: RabbitMQ's regular expressions over the names of exchanges and queues.
type Rights struct{ Configure, Write, Read string }

// byDefault is the name by which RabbitMQ judges publishing to a queue directly. That can't be narrowed to some queues.
const byDefault = "amq.default"

// Rights returns the fewest rights that a role needs under the options' prefix. To bind is to write to the queue and to read the exchange;
// to declare a queue with a dead-letter exchange is to read the queue and to write to the exchange, too.
func (o Options) Rights(r Role) Rights {
	in, out, dead := exactly(o.name("in")), exactly(o.name("out")), exactly(o.name("dead"))
	beats, control := exactly(o.beatsQueue()), exactly(o.Control().Key)
	inbound, gateways := exactly(strings.TrimSuffix(o.inQueue(0), "0"))+"[0-9]+", exactly(o.gatewayQueues())+".+"
	switch r {
	case GatewayRole: // its own queue; commands and heartbeats, both through one exchange: nothing into other gateways' queues
		return Rights{Configure: anyOf(gateways), Write: anyOf(in, gateways), Read: anyOf(out, gateways)}
	case WorkerRole: // all that is shared, and binding it; deliveries to gateways' queues
		return Rights{
			Configure: anyOf(in, out, dead, beats, control, inbound), Write: anyOf(exactly(byDefault), out, dead, beats, control, inbound), Read: anyOf(in, dead, beats, control, inbound),
		}
	default: // declares as a worker does, and publishes a message that no queue takes
		return Rights{Configure: anyOf(in, out, dead, inbound), Write: anyOf(exactly(byDefault), dead, inbound), Read: anyOf(in, dead, inbound)}
	}
}

func exactly(name string) string { return regexp.QuoteMeta(name) }

func anyOf(patterns ...string) string { return "^(" + strings.Join(patterns, "|") + ")$" }
