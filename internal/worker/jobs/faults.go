package jobs

import "chat-service/internal/faults"

// What a test build may break here. Without the build tag "faults" it is nothing.

// beatsBlind is a planted bug: a worker that can't consume stays among the workers.
func beatsBlind() bool { return faults.Planted("beat_blind") }
