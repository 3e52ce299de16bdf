// Package rights says what the users of the bus may do: RabbitMQ's permissions for each role, over the names that one prefix gives.
package rights

import (
	"regexp"
	"strings"
)

// Role is what a process does on the bus.
type Role string

// The roles that have a user. The api uses no RabbitMQ.
const (
	Gateway  Role = "gateway"
	Worker   Role = "worker"
	Operator Role = "operator" // chatctl: doctor and partitions
)

// Roles lists them.
func Roles() []Role { return []Role{Gateway, Worker, Operator} }

// Rights are a user's permissions on a virtual host: RabbitMQ's regular expressions over the names of exchanges and queues.
type Rights struct{ Configure, Write, Read string }

// Names are the exchanges and queues of a prefix. Partition and Gateway begin the names of queues of which there are many.
type Names struct{ In, Out, Dead, Beats, Control, Partition, Gateway string }

// byDefault is the name by which RabbitMQ judges publishing to a queue directly. That can't be narrowed to some queues.
const byDefault = "amq.default"

// Of returns the fewest rights that a role needs. To bind is to write to the queue and to read the exchange; to declare a queue with a
// dead-letter exchange is to read the queue and to write to the exchange, too.
func Of(r Role, n Names) Rights {
	in, out, dead := exactly(n.In), exactly(n.Out), exactly(n.Dead)
	beats, control := exactly(n.Beats), exactly(n.Control)
	inbound, gateways := exactly(n.Partition)+"[0-9]+", exactly(n.Gateway)+".+"
	switch r {
	case Gateway: // its own queue; commands and heartbeats, both through one exchange: nothing into other gateways' queues
		return Rights{Configure: anyOf(gateways), Write: anyOf(in, gateways), Read: anyOf(out, gateways)}
	case Worker: // all that is shared, and binding it; deliveries to gateways' queues
		return Rights{
			Configure: anyOf(in, out, dead, beats, control, inbound), Write: anyOf(exactly(byDefault), out, dead, beats, control, inbound), Read: anyOf(in, dead, beats, control, inbound),
		}
	default: // declares as a worker does, and publishes a message that no queue takes
		return Rights{Configure: anyOf(in, out, dead, inbound), Write: anyOf(exactly(byDefault), dead, inbound), Read: anyOf(in, dead, inbound)}
	}
}

func exactly(name string) string { return regexp.QuoteMeta(name) }

func anyOf(patterns ...string) string { return "^(" + strings.Join(patterns, "|") + ")$" }
