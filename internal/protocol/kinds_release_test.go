//go:build !probe

package protocol_test

import "chat-service/internal/protocol"

func probeSamples() map[protocol.Type]sample { return nil }
