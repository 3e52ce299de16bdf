//go:build probe

package protocol_test

import "chat-service/internal/protocol"

func probeSamples() map[protocol.Type]sample {
	return map[protocol.Type]sample{protocol.TProbed: {protocol.AppendProbed(nil, 1, "r"), protocol.AppendProbed(nil, 1, "")}}
}
