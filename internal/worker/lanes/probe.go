//go:build probe

package lanes

import (
	"cmp"
	"context"
	"fmt"

	"chat-service/internal/envelope"
	"chat-service/internal/worker/deliver"
)

// Probe answers the command of a release that doesn't exist: see envelope/kinds_probe.go.
func (l *Lanes) Probe(_ context.Context, cmd *envelope.Command, out *deliver.Parcels) error {
	out.ToGateway(cmd.Gateway, &envelope.Delivery{
		Kind: envelope.Probed, Gateway: cmd.Gateway, Socket: cmd.Socket,
		Frame: fmt.Appendf(nil, `{"type":"probed","ref":%q,"room_id":%d}`, cmp.Or(cmd.Ref, cmd.ErrorRef), cmd.Room),
	})
	return nil
}
