//go:build probe

package worker

import "chat-service/internal/envelope"

// probeRows are the commands of a release that doesn't exist: see envelope/kinds_probe.go.
func (w *Worker) probeRows() []row {
	return []row{w.inLane(envelope.Probe, w.lanes.Probe, func(c *envelope.Command) string { return c.ErrorRef })}
}
