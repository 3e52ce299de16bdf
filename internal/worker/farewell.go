package worker

import (
	"context"
	"sync"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// farewell is a socket that has ended.
type farewell struct {
	user    chat.UserID
	gateway chat.GatewayID
	socket  chat.SocketID
}

// farewells keeps the sockets whose end Redis could not be told of: left in the registry, they would show their users online
// for as long as their gateway lives. When there are too many, further ones are left to the gateway's lease.
type farewells struct {
	mu   sync.Mutex
	owed map[farewell]bool
}

const farewellBound = 1 << 16

func (fs *farewells) add(f farewell) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.owed == nil {
		fs.owed = map[farewell]bool{}
	}
	if len(fs.owed) < farewellBound {
		fs.owed[f] = true
	}
}

func (fs *farewells) done(f farewell) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.owed, f)
}

func (fs *farewells) some(limit int) (list []farewell) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for f := range fs.owed {
		if len(list) == limit {
			break
		}
		list = append(list, f)
	}
	return list
}

// disconnect takes the socket out of the registry; the user goes offline after a grace, if no other device lives by then.
func (l *lane) disconnect(ctx context.Context, cmd *envelope.Command) error {
	f := farewell{cmd.User, cmd.Gateway, cmd.Socket}
	if err := l.w.farewell(ctx, f); err != nil {
		l.w.farewells.add(f)
		l.w.reassert.Store(true)
	}
	return nil
}

func (w *Worker) farewell(ctx context.Context, f farewell) error {
	left, err := w.o.Sockets.Unregister(ctx, f.user, f.gateway, f.socket)
	if err == nil && left == 0 {
		err = w.o.Sockets.OfflineLater(ctx, f.user, time.Now().Add(w.o.OfflineGrace))
	}
	if err != nil {
		w.o.Metrics.StateErrors.Inc()
	}
	return err
}

// farewellsOwed tries again what failed, as far as Redis answers.
func (w *Worker) farewellsOwed(ctx context.Context) {
	for _, f := range w.farewells.some(sweepUsers) {
		if w.farewell(ctx, f) != nil {
			return
		}
		w.farewells.done(f)
	}
}
