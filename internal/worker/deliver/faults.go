package deliver

import "chat-service/internal/faults"

// returnIsLost is a planted bug: a batch that came back unroutable counts as delivered, and its route stays.
func returnIsLost() bool { return faults.Planted("lose_return") }
