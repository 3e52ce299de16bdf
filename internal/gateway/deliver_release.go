//go:build !probe

package gateway

import "chat-service/internal/envelope"

// probeApplies is empty in a release: see deliver_probe.go.
var probeApplies map[envelope.DeliveryKind]apply
