package webhooks

import "chat-service/internal/faults"

// What a test build may break here. Without the build tag "faults" it is nothing.

// movesEarly is a planted bug: the cursor moves before the endpoint has answered.
func movesEarly() bool { return faults.Planted("webhook_moves_early") }

// answered is passed when an endpoint has taken an event and the cursor hasn't moved yet.
func answered() { faults.Point("webhook_answered") }
