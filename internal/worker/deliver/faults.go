package deliver

import "chat-service/internal/faults"

// returnIsLost is a planted bug: a batch that came back unroutable counts as delivered, and its route stays.
func returnIsLost() bool { return faults.Planted("lose_return") }

// answerOf takes the broker's answer to a batch; planted confirm_early: it counts as confirmed before the broker has it.
func (p *Publisher) answerOf(b *batch) func(error) {
	if !faults.Planted("confirm_early") {
		return func(err error) { p.done(b, err) }
	}
	if !b.early {
		b.early = true
		b.confirmed()
	}
	return func(error) {}
}
