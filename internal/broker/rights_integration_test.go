//go:build integration

package broker

import (
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/chat"
)

// TestLooksBeforeItDeclares: a process that looks makes what is missing if it may, and takes what is there as it is.
func TestLooksBeforeItDeclares(t *testing.T) {
	o := options(t, Classic)
	o.Looks = true
	ready := func(o Options) *Publisher {
		t.Helper()
		p, err := NewPublisher(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { shut(t, p.Close) })
		eventually(t, "the publisher is ready", func() bool { return p.Ready() == nil })
		return p
	}
	ready(o)
	raw(t, o, func(ch *amqp.Channel) {
		if _, err := ch.QueueDeclarePassive(o.inQueue(1), true, false, false, false, nil); err != nil {
			t.Errorf("it made no queue: %v", err)
		}
	})
	other := o
	other.QueueType = Quorum
	ready(other) // the type is the workers' business
	other.Looks = false
	p, err := NewPublisher(other)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, p.Close) })
	eventually(t, "one that declares is refused", func() bool {
		lasting := chat.AsPermanent(p.Ready())
		return lasting != nil && strings.Contains(lasting.Do, "rabbitmq.queue_type")
	})
}
