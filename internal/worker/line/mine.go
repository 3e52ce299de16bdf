package line

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

// mine tells the other devices of those who react which reactions are theirs: what the room's sessions get names the first ten people
// only. jobs are the commands that asked, nil where REST did. All of a step are read at once; where that fails, devices learn it by REST.
func (c *Committer) mine(ctx context.Context, done []chat.Changed, jobs []Job, out *deliver.Parcels) {
	type own struct {
		room    chat.RoomID
		seq     chat.Seq
		user    chat.UserID
		gateway chat.GatewayID
		socket  chat.SocketID
	}
	var of []chat.Change
	var from []Job
	seen := map[own]bool{}
	for i := len(done) - 1; i >= 0; i-- { // of several from one socket under a message one is enough: all are answered by what is now
		x := &done[i]
		key := own{room: x.Change.Room, seq: x.Change.Seq, user: x.Change.User}
		if jobs != nil {
			key.gateway, key.socket = jobs[i].Cmd.Gateway, jobs[i].Cmd.Socket
		}
		if x.Change.Kind != chat.ChangeReaction || x.Err != nil || x.NoOp || seen[key] {
			continue
		}
		seen[key] = true
		of = append(of, done[i].Change)
		if jobs != nil {
			from = append(from, jobs[i])
		}
	}
	if len(of) == 0 {
		return
	}
	qctx, cancel := context.WithTimeout(ctx, c.l.o.Patience)
	keys, err := c.l.o.Changes.OwnKeys(qctx, of)
	cancel()
	if err != nil {
		c.l.o.Logger.WarnContext(ctx, "own reactions", "changes", len(of), "err", err)
		return
	}
	for i, x := range of {
		d := envelope.Delivery{Kind: envelope.ToUser, Room: x.Room, User: x.User, Frame: protocol.AppendMine(nil, x.Room, x.Seq, keys[i])}
		if jobs != nil {
			d.Gateway, d.Socket = from[i].Cmd.Gateway, from[i].Cmd.Socket
		}
		c.route(&d, out)
	}
}
