//go:build probe

package gateway

import "chat-service/internal/envelope"

// probeApplies is what the test build "probe" does with the delivery that only it knows.
var probeApplies = map[envelope.DeliveryKind]apply{envelope.Probed: (*Gateway).toSocket}
