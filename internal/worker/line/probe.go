//go:build probe

package line

import (
	"context"
	"encoding/json"
	"fmt"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/deliver"
)

// probeAnnouncers announces the kinds of a release that doesn't exist: see envelope/kinds_probe.go.
var probeAnnouncers = []announcer{{envelope.ProbeAnnouncement, (*Committer).announceProbe}}

// announceProbe sends a frame to the sessions of the room that the payload names: {"room_id":…}.
func (c *Committer) announceProbe(ctx context.Context, a *envelope.Announcement, out *deliver.Parcels) {
	var p struct {
		Room chat.RoomID `json:"room_id"`
	}
	if err := json.Unmarshal(a.Payload, &p); err != nil || p.Room == 0 {
		c.l.o.Logger.WarnContext(ctx, "probe announcement", "payload", string(a.Payload), "err", err)
		return
	}
	c.locate(ctx, []*room{c.room(p.Room)}, out)
	c.route(&envelope.Delivery{Kind: envelope.Aside, Room: p.Room, Frame: fmt.Appendf(nil, `{"type":"probed","room_id":%d}`, p.Room)}, out)
}
