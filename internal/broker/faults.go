package broker

import "chat-service/internal/faults"

// waitsFor is what a message waits for; planted confirm_early: nothing, it counts as confirmed before the queue has it.
func waitsFor(c confirm) confirm {
	if faults.Planted("confirm_early") {
		return faults.Answered{}
	}
	return c
}
