package line

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/faults"
	"chat-service/internal/worker/deliver"
)

// What a test build may break here. Without the build tag "faults" all of it is nothing.

// reordered is a planted bug: now and then the first batch of a step comes after the later ones.
func (c *Committer) reordered(ctx context.Context, works []work) []work {
	if !faults.Planted("unordered_retry") {
		return works
	}
	if first := works[0]; len(first.jobs) > 0 && c.l.o.Now().UnixNano()%20 == 0 {
		time.AfterFunc(200*time.Millisecond, func() { c.add(ctx, first) })
		return works[1:]
	}
	return works
}

func beforeCommit() { faults.Point("before_commit") }

func afterCommit() { faults.Point("after_commit") }

// beforePublish may plant a bug: the inbound batches are acknowledged before their answers are out. It returns the tickets that the
// answers still hold, and arms the point before the acknowledgement.
func (s *Step) beforePublish(tickets []*deliver.Ticket) []*deliver.Ticket {
	if s.sends == 0 {
		return tickets
	}
	s.out.Then(func() { faults.Point("before_ack") })
	if !faults.Planted("ack_inbound_before_publish") {
		return tickets
	}
	for _, t := range tickets {
		t.Settle()
	}
	time.Sleep(20 * time.Millisecond)
	faults.Point("early_ack")
	return nil
}

func (s *Step) afterPublish() {
	if s.sends > 0 {
		faults.Point("after_publish")
	}
}

// noDigests is part of a planted bug: nothing shows a lost tail.
func noDigests() bool { return faults.Planted("lose_return") }

// overtakes is a planted bug: a change is announced before the message that it is about.
func overtakes() bool { return faults.Planted("change_overtakes") }

// shown and losesChange are a planted bug: half of the changes are lost, five in a row, and no digest tells.
func shown(n chat.ChangeSeq) chat.ChangeSeq {
	if faults.Planted("lose_change") {
		return 0
	}
	return n
}

func losesChange(x *chat.Changed) bool { return faults.Planted("lose_change") && x.ChangeSeq/5%2 == 1 }
