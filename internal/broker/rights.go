package broker

import (
	"strings"

	"chat-service/internal/broker/rights"
)

// Rights returns the fewest rights that a role needs under the options' prefix.
func (o Options) Rights(r rights.Role) rights.Rights {
	return rights.Of(r, rights.Names{
		In: o.name("in"), Out: o.name("out"), Dead: o.name("dead"), Beats: o.beatsQueue(), Control: o.Control().Key,
		Partition: strings.TrimSuffix(o.InQueue(0), "0"), Gateway: o.gatewayQueues(),
	})
}
