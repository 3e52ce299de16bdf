package server

import "chat-service/internal/faults"

// breaks reports whether a test build must panic at this request.
func breaks(id string) bool { return faults.Planted("handler_panics") && id == "panic" }
