package worker

import (
	"context"
	"time"

	"chat-service/internal/chat"
)

// farewell is a socket that has ended. It is owed while Redis can't be told: left in the registry, it would show its user online
// for as long as its gateway lives. When too many are owed, further ones are left to the gateway's lease.
type farewell struct {
	user    chat.UserID
	gateway chat.GatewayID
	socket  chat.SocketID
}

// farewell takes sockets out of the registry; users without another go offline after a grace, if no device of theirs lives by
// then.
func (w *Worker) farewell(ctx context.Context, fs []farewell) error {
	ss := make([]chat.Socket, len(fs))
	for i, f := range fs {
		ss[i] = chat.Socket{User: f.user, Gateway: f.gateway, Socket: f.socket}
	}
	left, err := w.o.Sockets.Unregister(ctx, ss)
	if err == nil {
		var alone []chat.UserID
		for i, n := range left {
			if n == 0 {
				alone = append(alone, fs[i].user)
			}
		}
		err = w.o.Sockets.OfflineLater(ctx, alone, time.Now().Add(w.o.OfflineGrace))
	}
	if err != nil {
		w.o.Metrics.StateErrors.Inc()
	}
	return err
}

// farewellsOwed tries again what failed, as far as Redis answers.
func (w *Worker) farewellsOwed(ctx context.Context) {
	fs := w.farewells.Some(sweepUsers)
	if len(fs) == 0 || w.farewell(ctx, fs) != nil {
		return
	}
	for _, f := range fs {
		w.farewells.Done(f)
	}
}
