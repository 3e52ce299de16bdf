//go:build !probe

package gateway

import "chat-service/internal/protocol"

// A release has no frame beyond the protocol's: see admit_probe_test.go.
var probeSamples map[protocol.Type]sample
