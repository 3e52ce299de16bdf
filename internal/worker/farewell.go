package worker

import (
	"context"
	"sync"
	"time"

	"chat-service/internal/chat"
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

// farewell takes sockets out of the registry; users without another go offline after a grace, if no device of theirs lives by
// then.
func (w *Worker) farewell(ctx context.Context, fs []farewell) error {
	ss := make([]Socket, len(fs))
	for i, f := range fs {
		ss[i] = Socket{User: f.user, Gateway: f.gateway, Socket: f.socket}
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
	fs := w.farewells.some(sweepUsers)
	if len(fs) == 0 || w.farewell(ctx, fs) != nil {
		return
	}
	for _, f := range fs {
		w.farewells.done(f)
	}
}
