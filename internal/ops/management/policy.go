package management

import (
	"encoding/json"
	"fmt"
	"regexp"
)

// ConsumerTimeout is a policy's key, which RabbitMQ knows from 4.3 on: for how many milliseconds a queue keeps its single active consumer
// after the node of that consumer's connection was lost.
const ConsumerTimeout = "consumer-disconnected-timeout"

// Policy is a rule of RabbitMQ for queues, by their names.
type Policy struct {
	Name       string         `json:"-"`
	Pattern    string         `json:"pattern"`
	Definition map[string]int `json:"definition"`
	ApplyTo    string         `json:"apply-to"`
}

// ConsumerPolicy has the queues of the installation with that prefix give up the consumer of a lost node after a second, and not after a minute, in which
// nobody else may consume. It needs RabbitMQ 4.3, which is the first to wait; earlier ones refuse it.
func ConsumerPolicy(prefix string) Policy {
	return Policy{
		Name: prefix + "-consumers", Pattern: "^" + regexp.QuoteMeta(prefix+"."), ApplyTo: "quorum_queues",
		Definition: map[string]int{ConsumerTimeout: 1000},
	}
}

// Command is what sets the policy on the broker's machine, of a virtual host if it isn't the default one.
func (p Policy) Command(vhost string) string {
	definition, _ := json.Marshal(p.Definition) // of strings and numbers: never fails
	where := ""
	if vhost != "" && vhost != "/" {
		where = " -p '" + vhost + "'"
	}
	return fmt.Sprintf("rabbitmqctl set_policy%s %s '%s' '%s' --apply-to %s", where, p.Name, p.Pattern, definition, p.ApplyTo)
}
